"""Loading a scenario: what is right is read, and everything else is told with its line."""

import json
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.saga.errors import InputError
from marketsim.scenario.load import CRASHING_MAX, load_scenario
from marketsim.scenario.model import CheckExpectation, Find, MarketExpectation, PurchaseExpectation

GOOD = """\
scenario: declined
description: The card is declined.
seed: 3
currency: EUR
policy: default
saga: purchase
catalog:
  products: [{id: laptop-1, name: Laptop, price: 750.5, inStock: 2}]
  users: [{id: user-1, name: Ada}]
purchases:
  - {product: laptop-1, customer: user-1, faults: ["payment:card_declined@1"]}
  - product: laptop-1
    customer: user-1
    quantity: 2
expect:
  - {purchase: 1, outcome: compensated, reverts: [release_stock], failed: charge_payment}
  - {purchase: 2, attempts: {charge_payment: 1, refund_payment: 0}, left: [notify_customer]}
  - {stock: {laptop-1: 1}, money: {customer:user-1: -750.5}}
  - checks:
      find: [stock-conserved]
"""


def write(folder, text, name="scenario.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def refused(path):
    with pytest.raises(InputError) as told:
        load_scenario(path)
    return told.value


def test_a_scenario_is_read_with_all_that_it_says(tmp_path):
    scenario = load_scenario(write(tmp_path, GOOD))
    assert (scenario.name, scenario.seed, scenario.currency) == ("declined", 3, "EUR")
    assert scenario.saga == "purchase"
    assert [purchase.quantity for purchase in scenario.purchases] == [1, 2]
    assert scenario.starts_us == []
    forms = [PurchaseExpectation, PurchaseExpectation, MarketExpectation, CheckExpectation]
    assert [type(each) for each in scenario.expect] == forms
    assert scenario.expect[3].checks == Find(["stock-conserved"])


def test_what_is_not_said_has_its_default(tmp_path):
    text = re.sub(r"(?m)^(description|seed|currency|policy|saga): .*\n", "", GOOD)
    scenario = load_scenario(write(tmp_path, text))
    assert (scenario.seed, scenario.currency, scenario.policy) == (0, "USD", "default")
    assert scenario.saga == "purchase"


def test_json_is_read_like_yaml(tmp_path):
    whole = {
        "scenario": "x",
        "catalog": {"sample": 3},
        "purchases": [{"product": "laptop-1", "customer": "user-1"}],
        "expect": [{"purchase": 1, "outcome": "comitted"}],
    }
    path = write(tmp_path, json.dumps(whole, indent=1), "scenario.json")
    told = refused(path)
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "outcome" in text)
    assert told.where == f"{path}:{line}"
    assert told.todo == "did you mean 'committed'?"


# What is replaced by what, the line of the mistake, and what is said of it.
BAD = [
    ("scenario: declined", "scenari: declined", 1, "unknown key 'scenari' did you mean 'scenario'?"),
    ("scenario: declined", 'scenario: ""', 1, "length >= 1"),
    ("scenario: declined", "scenario: 5", 1, "expected text"),
    ("scenario: declined", 'scenario: "a\\e[31m"', 1, "cannot be printed"),
    ("seed: 3", "seed: -1", 3, ">= 0"),
    ("seed: 3", "seed: three", 3, "expected an integer"),
    ("seed: 3", f"seed: {10**30}", 3, "seed"),
    ("currency: EUR", "currency: EURO", 4, "did you mean 'EUR'?"),
    ("policy: default", "policy: defalt", 5, "no policy is called 'defalt' did you mean 'default'?"),
    ("saga: purchase", "saga: purchas", 6, "no saga is called 'purchas' did you mean 'purchase'?"),
    ("inStock: 2", "inStock: -2", 8, "inStock"),
    ("inStock: 2", "stock: 2", 8, "'inStock' is missing"),
    ("price: 750.5", "price: 750.505", 8, "EUR has 2"),
    ("  products: [", "  prodcts: [", 7, "did you mean 'prodcts'?"),
    ("customer: user-1, faults", "custommer: user-1, faults", 11, "did you mean 'customer'?"),
    ("product: laptop-1, customer", "product: laptop-2, customer", 11, "did you mean 'laptop-1'?"),
    ("customer: user-1\n", "customer: user-l\n", 13, "no customer 'user-l' did you mean 'user-1'?"),
    ("quantity: 2", "quantity: 0", 14, "0 units cannot be bought"),
    ("quantity: 2", "quantity: 2.5", 14, "expected an integer"),
    ("quantity: 2", f"quantity: {10**30}", 14, "quantity"),
    ("payment:card_declined@1", "payment:card_decline@1", 11, "did you mean 'card_declined'?"),
    ("payment:card_declined@1", "paymant:card_declined@1", 11, "did you mean 'payment'?"),
    ("payment:card_declined@1", "payment:card_declined@0", 11, "count from 1"),
    ("payment:card_declined@1", "payment", 11, "'payment' is not a fault"),
    ("payment:card_declined@1", "release_stock:card_declined", 11, "release_stock is a revert"),
    ("quantity: 2", "quantity: 2\n    at: 5s", 11, "has no 'at', and purchases[1] has one"),
    ("{purchase: 1, ", "{purchse: 1, ", 16, "unknown key 'purchse' did you mean 'purchase'?"),
    ("{purchase: 1, ", "{", 16, "'purchase' is missing"),
    ("{purchase: 1, ", "{purchase: 0, ", 16, ">= 1"),
    ("{purchase: 1, ", "{purchase: 3, ", 16, "there is no purchase 3 they are numbered from 1 to 2"),
    ("outcome: compensated", "outcome: compensate", 16, "did you mean 'compensated'?"),
    ("outcome: compensated", "orders: 0", 16, "'orders' does not go with 'purchase'"),
    ("reverts: [release_stock]", "reverts: [relase_stock]", 16, "did you mean 'release_stock'?"),
    ("reverts: [release_stock]", "reverts: [reserve_stock]", 16, "no revert 'reserve_stock'"),
    ("reverts: [release_stock]", "rule: known_prodct", 16, "did you mean 'known_product'?"),
    ("failed: charge_payment", "failed: refund_payment", 16, "no operation 'refund_payment'"),
    ("failed: charge_payment", "failed: null", 16, "failed"),
    ("attempts: {charge_payment", "attempts: {charge_paymant", 17, "did you mean 'charge_payment'?"),
    ("attempts: {charge_payment: 1", "attempts: {charge_payment: many", 17, "expected an integer"),
    ("left: [notify_customer]", "left: [notify_custommer]", 17, "did you mean 'notify_customer'?"),
    ("{stock: {laptop-1: 1}", "{stock: {laptop-2: 1}", 18, "did you mean 'laptop-1'?"),
    ("{stock: {laptop-1: 1}", "{stock: {laptop-1: 1.5}", 18, "expected an integer"),
    ("{stock: {laptop-1: 1}", "{stocks: {laptop-1: 1}", 18, "did you mean 'stock'?"),
    ("money: {customer:user-1", "money: {customer:user-2", 18, "did you mean 'customer:user-1'?"),
    ("money: {customer:user-1", "money: {merchnt", 18, "did you mean 'merchant'?"),
    ("-750.5}", "-750.505}", 18, "has 3 decimals; EUR has 2"),
    ("-750.5}", f"{10**30}}}", 18, "is too large"),
    ("find: [stock-conserved]", "find: [stock-preserved]", 20, "did you mean 'stock-conserved'?"),
    ("find: [stock-conserved]", "find: []", 20, "length >= 1"),
    ("find: [stock-conserved]", "fnd: [stock-conserved]", 20, "did you mean 'find'?"),
    ("checks:\n      find: [stock-conserved]", "checks: al", 19, "checks"),
    ("checks:\n      find: [stock-conserved]", "checks: 1", 19, "checks"),
    ("checks:\n      find: [stock-conserved]", "{}", 19, "expects nothing"),
    ("checks:\n      find: [stock-conserved]", "{purchase: 1}", 19, "expects nothing"),
    ("checks:\n      find: [stock-conserved]", "{stock: {}}", 19, "expects nothing"),
    ("checks:\n      find: [stock-conserved]", "all is well", 19, "expected an object"),
    ("description: The", "description: &a [*a]\nx: The", 2, "anchor"),
    ("seed: 3", "seed: 3\nseed: 4", 4, "'seed' stands twice"),
    ("seed: 3", "seed: !!python/object:os.system 3", 3, "tag"),
    ("seed: 3", "seed: {", None, "not valid YAML"),
    ("seed: 3", f"seed: {'[' * 60}{']' * 60}", 3, "50 levels"),
]


@pytest.mark.parametrize(("old", "new", "line", "said"), BAD, ids=[f"{row[1]:.40}" for row in BAD])
def test_a_mistake_is_told_with_its_line_and_the_nearest_name(old, new, line, said, tmp_path):
    assert GOOD.count(old) == 1 or old.startswith(("customer: user-1\n", "checks:"))
    path = write(tmp_path, GOOD.replace(old, new, 1))
    told = refused(path)
    assert re.fullmatch(rf"{re.escape(str(path))}:{line or '[0-9]+'}(:[0-9]+)?", told.where)
    assert said in f"{told.what} {told.todo}"


@pytest.mark.parametrize("key", ["purchases", "expect"])
def test_neither_purchases_nor_expectations_may_be_none_or_too_many(key, tmp_path):
    head = GOOD.partition(f"{key}:")[0]
    rest = "" if key == "expect" else GOOD[GOOD.index("expect:") :]
    line = head.count("\n") + 1
    for items, said in (("[]", "length >= 1"), ("[" + "{}," * 10_001 + "]", "length <= 10000")):
        told = refused(write(tmp_path, f"{head}{key}: {items}\n{rest}"))
        assert told.where.endswith(f":{line}")
        assert said in told.what


def test_a_key_that_is_missing_is_told(tmp_path):
    told = refused(write(tmp_path, GOOD.partition("expect:")[0]))
    assert told.what == "'expect' is missing"
    assert told.where.endswith(":1")


@pytest.mark.parametrize("text", ["[]", "5", "scenario", "null"])
def test_what_is_no_object_is_no_scenario(text, tmp_path):
    assert "expected an object" in refused(write(tmp_path, text)).what


@pytest.mark.parametrize(
    ("said", "start_us"),
    [("0s", 0), ("3us", 3), ("250ms", 250_000), ("2m", 120_000_000), ("1h", 3_600_000_000)],
)
def test_a_start_is_read_in_its_unit(said, start_us, tmp_path):
    text = GOOD.replace("faults:", f"at: {said}, faults:").replace("quantity: 2", "quantity: 2\n    at: 5s")
    assert load_scenario(write(tmp_path, text)).starts_us == [start_us, 5_000_000]


@pytest.mark.parametrize(
    "said", ["soon", "5", "-5s", "5 s", "1.5s", "''", "99999h", "5S", "٣s", "1" * 40 + "s"]
)
def test_a_start_that_is_no_time_or_too_late_is_told(said, tmp_path):
    text = GOOD.replace("faults:", "at: 0s, faults:").replace("quantity: 2", f"at: {said}")
    told = refused(write(tmp_path, text))
    assert told.where.endswith(":14")
    assert "purchases[1].at" in told.what


@pytest.mark.parametrize(
    ("old", "new"),
    [("product: laptop-1\n", "product: laptop-9\n"), ("quantity: 2", "quantity: -1")],
)
@pytest.mark.parametrize("rejection", ["outcome: rejected", "rule: known_product"])
def test_a_purchase_may_ask_for_what_does_not_exist_if_it_is_to_be_rejected(old, new, rejection, tmp_path):
    text = GOOD.replace(old, new)
    refused(write(tmp_path, text))
    load_scenario(write(tmp_path, f"{text}  - {{purchase: 2, {rejection}}}\n"))
    refused(write(tmp_path, f"{text}  - {{purchase: 1, {rejection}}}\n"))


def test_only_so_many_purchases_that_overlap_may_kill_the_process(tmp_path):
    purchase = (
        '  - {product: laptop-1, customer: user-1, at: 1s, faults: ["place_order:crash_after_effect@1"]}\n'
    )
    head = GOOD.partition("  - {product")[0]
    text = f"{head}{purchase * CRASHING_MAX}PLACE\nexpect: [checks: all]\n"
    load_scenario(write(tmp_path, text.replace("PLACE", "")))
    load_scenario(write(tmp_path, text.replace("PLACE", purchase).replace("at: 1s, ", "")))
    told = refused(write(tmp_path, text.replace("PLACE", purchase)))
    assert told.where.endswith(f":{11 + CRASHING_MAX}")
    assert "kill the process" in told.what


def with_catalog(said):
    inline = GOOD[GOOD.index("catalog:") : GOOD.index("purchases:")]
    return GOOD.replace(inline, f"catalog: {said}\n")


CATALOG = (
    '{"products": [{"id": "laptop-1", "name": "L", "price": 750.5, "inStock": 2}],'
    ' "users": [{"id": "user-1", "name": "A"}]}'
)


def test_a_catalog_may_be_a_file_beside_the_scenario_or_below_it(tmp_path):
    (tmp_path / "deep").mkdir()
    write(tmp_path, CATALOG, "catalog.json")
    write(tmp_path / "deep", CATALOG, "catalog.json")
    for said in ("catalog.json", "deep/catalog.json", "./catalog.json"):
        scenario = load_scenario(write(tmp_path, with_catalog(said)))
        assert [record["name"] for record in scenario.catalog.products] == ["L"]


def test_a_mistake_in_a_catalog_file_is_told_with_the_line_there(tmp_path):
    write(tmp_path, CATALOG.replace("[{", "[\n{", 1).replace("750.5", '"x"'), "catalog.json")
    told = refused(write(tmp_path, with_catalog("catalog.json")))
    assert told.where == f"{tmp_path / 'catalog.json'}:2"


@pytest.mark.parametrize(
    "said",
    [
        "/etc/passwd",
        "../catalog.json",
        "deep/../../catalog.json",
        '""',
        "'C:\\catalog.json'",
        "'..\\catalog.json'",
    ],
)
def test_a_catalog_outside_of_the_folder_is_refused(said, tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    write(tmp_path, CATALOG, "catalog.json")
    told = refused(write(folder, with_catalog(said)))
    assert told.where == f"{folder / 'scenario.yaml'}:7"
    assert "leads out of the scenario's folder" in told.what


@pytest.mark.parametrize("aim", ["../catalog.json", "loop.json"])
def test_a_link_out_of_the_folder_or_round_and_round_is_refused(aim, tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    write(tmp_path, CATALOG, "catalog.json")
    (folder / "loop.json").symlink_to(aim)
    told = refused(write(folder, with_catalog("loop.json")))
    assert "scenario.yaml:7" in told.where or "loop.json" in told.where


@pytest.mark.parametrize("said", ["no-such.json", "deep", "pipe", r'"a\0b"', "x" * 300])
def test_a_catalog_that_is_no_file_is_told(said, tmp_path):
    (tmp_path / "deep").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert refused(write(tmp_path, with_catalog(said))).where


def test_a_sample_is_the_same_for_the_same_seed(tmp_path):
    catalogs = [
        load_scenario(write(tmp_path, with_catalog(said))).catalog.products
        for said in ("{sample: 9}", "{sample: 9, seed: 3}", "{sample: 9, seed: 4}")
    ]
    assert catalogs[0] == catalogs[1] != catalogs[2]


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("{smaple: 9}", "did you mean 'sample'?"),
        ("{sample: 0}", ">= 1"),
        ("{sample: 9, sed: 1}", "did you mean 'seed'?"),
        ("{sample: 9000000}", "<= 200000"),
        ("7", "expected text or an object"),
        ("[]", "expected text or an object"),
        ("{}", "is missing"),
    ],
)
def test_a_catalog_that_is_none_is_told(said, what, tmp_path):
    told = refused(write(tmp_path, with_catalog(said)))
    assert told.where.endswith("scenario.yaml:7")
    assert what in f"{told.what} {told.todo}"


@given(cut=st.integers(0, len(GOOD)), put=st.text(max_size=5), gone=st.integers(0, 20))
def test_whatever_is_done_to_a_file_it_is_read_or_refused_with_its_name(cut, put, gone, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes((GOOD[:cut] + put + GOOD[cut + gone :]).encode(errors="surrogatepass"))
    try:
        load_scenario(path)
    except InputError as wrong:
        told = wrong.where
    else:
        told = str(path)
    assert told.startswith(str(path))
