"""What cannot be meant is told in one line, with its place and what to do, and changes nothing."""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli.running import CATALOG, Cli, Ran, contents

from marketsim.audit import log
from marketsim.cli.session import WAIT_S

LAPTOP = CATALOG["products"][0]
ADA = CATALOG["users"][0]


def error_of(ran: Ran) -> str:
    """The one line of an error that ends in exit 2, with nothing on standard output."""
    assert ran.code == 2, ran
    told = [line for line in ran.err.splitlines() if not line.startswith("note: ")]
    assert len(told) == 1, ran.err
    assert told[0].startswith("error: ")
    assert "Traceback" not in ran.err
    assert ran.err.isprintable() or ran.err.removesuffix("\n").isprintable()
    return told[0]


# What is typed.

TYPED = [
    # Commands, options and arguments.
    ("purchse laptop-1", "no command is called 'purchse' (did you mean 'purchase'?)"),
    ("catalog lst", "Did you mean 'list'?"),
    ("audit verfy", "Did you mean 'verify'?"),
    ("catalog", "a command is missing"),
    ("purchase laptop-1 --polcy none", "--policy"),
    ("purchase", "Missing argument 'PRODUCT'"),
    ("purchase laptop-1 lamp-1", "lamp-1"),
    ("purchase laptop-1 --quantity two", "'two' is not a valid int"),
    ("purchase laptop-1 --quantity 1.5", "'1.5' is not a valid int"),
    ("purchase laptop-1 --quantity 0", "a quantity of '0' cannot be bought (give 1 to 1,000,000)"),
    ("purchase laptop-1 --quantity -3", "a quantity of '-3' cannot be bought"),
    (f"purchase laptop-1 --quantity 1{'0' * 30}", f"a quantity of '1{'0' * 30}' cannot be bought"),
    (f"purchase laptop-1 --quantity {'9' * 5000}", "is not a valid int"),
    ("purchase laptop-1 --seed -1", "a seed of '-1' (give a number from 0 to 2^63 - 1)"),
    ("purchase laptop-1 --seed 9223372036854775808", "a seed of '9223372036854775808'"),
    ("purchase laptop-1 --seed x", "'x' is not a valid int"),
    ("purchase laptop-1 --durability grup", "no durability is called 'grup' (did you mean 'group'?)"),
    ("purchase laptop-1 --wait -1", "--wait: -1 seconds (give 0 to 86,400)"),
    # A cart.
    ("checkout", "Missing argument 'PRODUCT[=N]...'"),
    ("checkout laptp-1", "there is no product 'laptp-1' (did you mean 'laptop-1'?)"),
    ("checkout laptop-1 lmp-1=2", "there is no product 'lmp-1' (did you mean 'lamp-1'?)"),
    ("checkout laptop-1=0", "laptop-1: a quantity of '0' cannot be bought (give 1 to 1,000,000)"),
    ("checkout laptop-1=-1", "'laptop-1=-1' is no product and number (write laptop-1 or laptop-1=2)"),
    ("checkout laptop-1=", "'laptop-1=' is no product and number"),
    ("checkout laptop-1=2=3", "'laptop-1=2=3' is no product and number"),
    ("checkout laptop-1=1.5", "'laptop-1=1.5' is no product and number"),
    ("checkout laptop-1=\u0663", "is no product and number"),
    (f"checkout laptop-1={'9' * 5000}", "is no product and number"),
    ("checkout =2", "'=2' is no product and number"),
    ("checkout laptop-1=1000001", "laptop-1: a quantity of '1000001' cannot be bought"),
    ("checkout laptop-1 laptop-1=2", "'laptop-1' stands in the cart twice (write laptop-1=N once)"),
    ("checkout laptop-1 --customer usr-2", "--customer: there is no customer 'usr-2' (did you mean"),
    ("checkout laptop-1 --quantity 2", "--quantity"),
    ("checkout laptop-1 --fail payment", "--fail: 'payment' is not a fault (write TARGET:FAULT"),
    ("checkout laptop-1 --fail charge_payment:error", "has no 'charge_payment' (did you mean"),
    (
        "checkout laptop-1 --fail reserve_stock.nosuch:error",
        "the saga checkout has no 'reserve_stock.nosuch' (did you mean 'reserve_stock'?)",
    ),
    (
        "checkout laptop-1 --fail reserve_stock.lamp-1:error",
        "has no 'reserve_stock.lamp-1' (did you mean 'reserve_stock.laptop-1'?)",
    ),
    ("purchase laptop-1 --fail reserve_stock.laptop-1:error", "has no 'reserve_stock.laptop-1'"),
    ("checkout laptop-1 --fail find_captur:error", "has no 'find_captur' (did you mean 'find_capture'?)"),
    ("checkout laptop-1 --fail find_capture:card_declined", "find_capture only asks"),
    ("checkout laptop-1 --fail find_capture:cancel", "find_capture only asks"),
    ("purchase laptop-1 --fail find_payment:did_nothing", "find_payment only asks"),
    ("purchase laptop-1 --fail payment:partial_capture", "charge_payment does not"),
    # What surrounds a purchase.
    ("checkout laptop-1 --gateway strip", "no rules of a gateway are called 'strip' (did you mean 'stripe'?"),
    ("purchase laptop-1 --gateway x", "no rules of a gateway are called 'x' (known: cache_2xx, lenient_30m"),
    ("checkout laptop-1 --deadline soon", "--deadline: 'soon' is not a time (write 0s, 250ms, 2m or 1h)"),
    ("checkout laptop-1 --deadline 5", "--deadline: '5' is not a time"),
    ("checkout laptop-1 --deadline 0s", "--deadline: no time at all (write 1ms or more)"),
    ("checkout laptop-1 --deadline 9999999h", "--deadline: '9999999h' is too late (a run may take a year)"),
    ("purchase laptop-1 --cancel-after -5s", "--cancel-after: '-5s' is not a time"),
    ("purchase laptop-1 --cancel-after 0ms", "--cancel-after: no time at all"),
    ("purchase laptop-1 --cancel-after 1e3s", "--cancel-after: '1e3s' is not a time"),
    ("checkout laptop-1 --webhook ftp://example.com", "--webhook: 'ftp://example.com' is not of the web"),
    ("recover --back --fail find_captur:error", "--fail: the saga"),
    ("sagas show chekout", "no saga is called 'chekout' (did you mean 'checkout'?)"),
    # Names.
    ("purchase laptp-1", "there is no product 'laptp-1' (did you mean 'laptop-1'?)"),
    ("purchase zzz", "there is no product 'zzz' (known: lamp-1, laptop-1)"),
    ("purchase laptop-1 --customer usr-2", "--customer: there is no customer 'usr-2' (did you mean"),
    ("purchase laptop-1 --policy defalt", "no policy is called 'defalt' (did you mean 'default'?)"),
    ("purchase laptop-1 --fail payment", "--fail: 'payment' is not a fault (write TARGET:FAULT"),
    ("purchase laptop-1 --fail payment:gateway_dwn", "no fault is called 'gateway_dwn' (did you mean"),
    ("purchase laptop-1 --fail paymnt:gateway_down", "has no 'paymnt' (did you mean 'payment'?)"),
    ("purchase laptop-1 --fail payment:out_of_stock", "out_of_stock happens at inventory"),
    ("purchase laptop-1 --fail payment:did_nothing", "did_nothing strikes reverts; charge_payment is none"),
    ("purchase laptop-1 --fail release_stock:bounced", "bounced strikes operations"),
    ("purchase laptop-1 --fail payment:error@0", "count from 1 up"),
    ("purchase laptop-1 --fail payment:error%101", "is above 100 percent"),
    ("purchase laptop-1 --fail payment:error%x", "write a percentage from 0 to 100"),
    ("recover --fail paymnt:error", "--fail: the saga purchase has no 'paymnt'"),
    ("faults show timeout_aftr", "no fault is called 'timeout_aftr' (did you mean 'timeout_after'?)"),
    ("policies show nne", "no policy is called 'nne' (did you mean 'none'?)"),
    ("run hapy-path", "no scenario is called 'hapy-path' (did you mean 'happy-path'?)"),
    ("run happy-path nope.yaml", "nope.yaml: there is no such file or folder"),
    ("run happy-path --policy defalt", "no policy is called 'defalt' (did you mean 'default'?)"),
    ("run empty", "empty: there is no scenario in this folder"),
    ("scenarios show lost-stok", "no scenario is called 'lost-stok' (did you mean 'lost-stock'?)"),
    ("scenarios new mine.txt", "a new scenario is a .yaml file (write mine.yaml)"),
    ("scenarios new no/where/mine.yaml", "the file cannot be written: no such file or directory"),
    ("scenarios new m!ne.yaml", "'m!ne' is no name for a scenario"),
    ("catalog list prodcts", "a catalog has no 'prodcts' (did you mean 'products'?)"),
    ("catalog show laptop-2", "the catalog has no 'laptop-2' (did you mean 'laptop-1'?)"),
    ("catalog restock lamp-2 4", "there is no product 'lamp-2' (did you mean 'lamp-1'?)"),
    ("catalog restock lamp-1 0", "0 units cannot arrive (give 1 or more)"),
    ("catalog restock lamp-1 -- -4", "-4 units cannot arrive"),
    (f"catalog restock lamp-1 1{'0' * 30}", "inStock: is too large"),
    ("catalog add lamp-1 --name Lamp --price 5", "there is a product 'lamp-1' already"),
    ("catalog add mug --name Mug --price cheap", "--price: 'cheap' is no price (write it as 39.90)"),
    ("catalog add mug --name Mug --price -1", "price: is negative"),
    ("catalog add mug --name Mug --price 1.005", "price: has 3 decimals; USD has 2"),
    ("catalog add mug --name Mug --price nan", "--price: 'nan' is no price"),
    ("catalog add mug --name Mug --price inf", "--price: 'inf' is no price"),
    (f"catalog add mug --name Mug --price 1{'0' * 30}", "price: is too large"),
    (f"catalog add mug --name Mug --price {'9' * 5000}", "--price:"),
    ("catalog add mug --name Mug --price 1 --stock -1", "inStock: is negative"),
    ("catalog add m/g --name Mug --price 1", "id: 'm/g' is no id (allowed: 1 to 64 of A-Z"),
    ("catalog export no/where.json", "no/where.json: the file cannot be written"),
    ("catalog export empty", "empty: this is no regular file"),
    # The audit.
    ("audit show tx-9", "there is no transaction 'tx-9' (did you mean 'tx-1'?)"),
    ("audit show 99999", "there is no event 99999"),
    ("audit list --type operaton", "there is no event type 'operaton' (did you mean 'operation'?)"),
    ("audit list --since junk", "'junk' is no time"),
    ("audit list --since 2026-13-01", "'2026-13-01' is no time"),
    ("audit list --transaction tx-9", "there is no transaction 'tx-9'"),
    ("audit export --format xml", "no format is called 'xml' (known: chrome-trace, cloudevents, csv"),
    ("audit export --format jsnl", "no format is called 'jsnl' (did you mean 'jsonl'?)"),
    ("audit verify --check one-ordr", "there is no check 'one-ordr' (did you mean 'one-order'?)"),
    ("audit verify --head empty", "empty"),
    ("audit verify --head nowhere", "nowhere: there is no checkpoint (give a copy of audit/checkpoint)"),
    ("audit verify --head brought.json", "brought.json: the checkpoint is malformed"),
    ("replay tx-9", "there is no transaction 'tx-9' (did you mean 'tx-1'?)"),
    ("replay nofile.json", "nofile.json: the file cannot be read: no such file or directory"),
    ("replay empty", "empty: the file cannot be read: is a directory"),
    ("replay brought.json", "brought.json: not an export of events"),
    ("replay tx-1 --until junk", "'junk' is not a valid int"),
    # Making a market.
    ("init", "market: there is a market already (name another one with --market DIR)"),
    ("init --market brought.json", "this is no empty folder"),
    ("init --market brought.json/below", "brought.json/below: not a directory"),
    ("init --market new --sample 0", "a sample of 0 products cannot be made (ask for 1 to 200,000)"),
    ("init --market new --sample -4", "a sample of -4 products cannot be made"),
    ("init --market new --sample 5000000", "a sample of 5,000,000 products cannot be made"),
    ("init --market new --sample 3 --catalog brought.json", "--catalog and --sample exclude each other"),
    ("init --market new --currency USDD", "'USDD' is no currency code of ISO 4217 (did you mean 'USD'?)"),
    ("init --market new --currency usd", "'usd' is no currency code"),
    ("init --market new --catalog nowhere.json", "nowhere.json: there is no such file (check the path)"),
    ("init --market new --catalog empty", "empty: is a folder; a file is needed"),
    ("init --market new --catalog brought.json --currency JPY", "price: has 2 decimals; JPY has 0"),
    ("run lost-stock --keep market", "market: there is a market already"),
    ("run lost-stock happy-path --keep new", "--keep takes one scenario, and these are 2"),
]


@pytest.fixture
def used(cli: Cli, market: Path) -> Path:
    """A market with one purchase, an empty folder beside it."""
    cli("purchase", "laptop-1")
    Path("empty").mkdir()
    return market


@pytest.mark.parametrize(("line", "told"), TYPED, ids=[f"{line[:60]}" for line, _ in TYPED])
def test_what_is_typed_wrong_is_told_in_a_line_and_changes_nothing(cli, used, tmp_path, line, told):
    before = contents(tmp_path)
    ran = cli(*line.split())
    assert told in error_of(ran)
    assert contents(tmp_path) == before


def test_a_name_that_steers_the_terminal_is_shown_escaped(cli, used):
    for argument in ("\x1b[31mred", "a\x07b", "a\u202eb", "a\nb", "[bold]x", "\x9b31m", "p\u2028q"):
        told = error_of(cli("purchase", argument))
        assert told.isprintable()
        assert "there is no product" in told
    assert "'[bold]x'" in error_of(cli("purchase", "[bold]x"))


def test_a_long_name_is_cut_short(cli, used):
    assert len(error_of(cli("purchase", "x" * 100_000))) < 300


# Catalog files.


def catalog(product: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **rest: Any) -> str:
    """The text of a catalog with one product and one user, something in it changed."""
    found = {"products": [{**LAPTOP, **(product or {})}], "users": [{**ADA, **(user or {})}], **rest}
    return json.dumps(found, ensure_ascii=False)


def without(key: str) -> str:
    return json.dumps({"products": [{k: v for k, v in LAPTOP.items() if k != key}], "users": [ADA]})


CATALOGS = [
    ("cut short", '{"products": [\n  {"id": "a" 1}\n]}', "bad.json:2:14: not valid JSON"),
    ("empty", "", "bad.json: the file is empty"),
    ("no object", "[1, 2]", "bad.json:1: a catalog must be an object"),
    ("no products", '{"users": []}', "'products' is missing"),
    ("mistyped products", '{"product": [], "users": []}', "'products' is missing (did you mean 'product'?)"),
    ("none", '{"products": [], "users": []}', "products: a market needs at least one product"),
    ("no users", json.dumps({"products": [LAPTOP], "users": []}), "users: a market needs at least one user"),
    ("products no list", '{"products": 3, "users": []}', "products: must be a list"),
    ("product no object", json.dumps({"products": [3], "users": [ADA]}), "products[0]: must be an object"),
    ("key twice", '{"products": [],\n "products": []}', "bad.json:2:2: the key 'products' stands twice"),
    ("id missing", without("id"), "products[0]: 'id' is missing"),
    ("stock missing", without("inStock"), "products[0]: 'inStock' is missing"),
    ("mistyped key", without("price").replace('"inStock"', '"prce": 3, "inStock"'), "(did you mean 'prce'?)"),
    ("id of number", catalog({"id": 5}), "products[0].id: must be text, not 5"),
    ("id of path", catalog({"id": "../up"}), "products[0].id: '../up' is no id"),
    (
        "id taken",
        json.dumps({"products": [LAPTOP, {**LAPTOP, "name": "B"}], "users": [ADA]}, indent=1),
        "products[1].id: the id 'laptop-1' is taken by products[0] at bad.json:4",
    ),
    (
        "user id taken",
        json.dumps({"products": [LAPTOP], "users": [ADA, ADA]}),
        "users[1].id: the id 'user-1'",
    ),
    ("name empty", catalog({"name": " "}), "products[0].name: is empty"),
    ("name escape", catalog({"name": "a\x1b[31m"}).replace("\x1b", "\\u001b"), "control character U+001B"),
    ("name NUL", catalog({"name": "a"}).replace('"a"', '"a\\u0000"'), "has the control character U+0000"),
    ("name C1", catalog({"name": "a\x9b31m"}), "has the control character U+009B at character 2"),
    ("name override", catalog({"name": "gpj.\u202eexe"}), "has the direction character U+202E"),
    ("name isolate", catalog(None, {"name": "a\u2066b"}), "users[0].name: has the direction character"),
    ("name surrogate", catalog({"name": "x"}).replace('"x"', '"\\ud800"'), "half a surrogate pair"),
    ("name long", catalog({"name": "x" * 201}), "products[0].name: has 201 characters"),
    ("price of text", catalog({"price": "750"}), "products[0].price: must be a number, not '750'"),
    ("price negative", catalog({"price": -1}), "products[0].price: is negative"),
    ("price fraction", catalog({"price": 7.505}), "products[0].price: has 3 decimals; USD has 2"),
    ("price huge", catalog({"price": 10**30}), "products[0].price: is too large"),
    ("price true", catalog({"price": True}), "products[0].price: must be a number, not true"),
    ("price NaN", catalog({"price": 3}).replace('"price": 3', '"price": NaN'), "NaN is not a number"),
    ("price digits", catalog({"price": 3}).replace(": 3,", f": {'9' * 5000},"), "an integer of 5,000 char"),
    ("stock negative", catalog({"inStock": -1}), "products[0].inStock: is negative"),
    ("stock fraction", catalog({"inStock": 1.5}), "products[0].inStock: must be a whole number, not 1.5"),
    ("stock huge", catalog({"inStock": 10**30}), "products[0].inStock: is too large"),
    ("stock text", catalog({"inStock": "5"}), "products[0].inStock: must be a whole number, not '5'"),
    ("record large", catalog({"notes": "x" * 70_000}), "products[0]: is 70,"),
    ("deep", '{"products": ' + "[" * 5000 + "]" * 5000 + "}", "nested"),
    ("list of lists", "[" * 100_000, "bad.json"),
]


@pytest.mark.parametrize(
    ("text", "told"), [each[1:] for each in CATALOGS], ids=[each[0] for each in CATALOGS]
)
def test_a_catalog_that_cannot_be_sold_is_refused_with_its_place_and_makes_no_market(cli, text, told):
    Path("bad.json").write_text(text, errors="surrogatepass")
    error = error_of(cli("init", "--catalog", "bad.json"))
    assert told in error
    assert "bad.json" in error
    assert not Path("market").exists()


@pytest.mark.parametrize("data", [b'{"products": "\xff"}', b"\xff\xfe{\x00}\x00"])
def test_a_catalog_that_is_not_utf_8_is_refused(cli, data):
    Path("bad.json").write_bytes(data)
    assert "bad.json: is not UTF-8: byte 0xFF" in error_of(cli("init", "--catalog", "bad.json"))
    assert not Path("market").exists()


def test_a_catalog_that_is_a_pipe_is_not_waited_for(cli):
    os.mkfifo("pipe.json")
    assert "pipe.json: is not a regular file" in error_of(cli("init", "--catalog", "pipe.json"))


def test_a_catalog_of_fifty_thousand_products_works(cli):
    products = [{"id": f"p-{n}", "name": f"Product {n}", "price": 5, "inStock": 1} for n in range(50_000)]
    Path("large.json").write_text(json.dumps({"products": products, "users": [ADA]}))
    assert "products: 50,000" in cli("init", "--catalog", "large.json").out
    assert cli("purchase", "p-49999").code == 0
    assert "50,000 products; prices in USD" in cli("catalog", "list").out


HARMLESS = [
    "[bold red]x[/]",
    "Lämp 💡 :smile:",
    "mug\u200f",
    "\u05e9\u05dc\u05d5\u05dd",
    "花瓶",
    "\\e[31m",
    "{x}%s",
]


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_name_is_kept_and_shown_as_it_is_written(cli, name):
    Path("odd.json").write_text(catalog({"name": name}, {"name": name}))
    assert cli("init", "--catalog", "odd.json").code == 0
    seen = name.replace("\u200f", "\\u200f")
    bought = cli("purchase", "laptop-1", "--fail", "payment:card_declined")
    assert f"1 × laptop-1 ({seen}) for user-1 ({seen})" in bought.out
    assert seen in cli("catalog", "list").out
    assert cli("catalog", "show", "laptop-1", "--json").document["name"] == name
    for line in ("audit list", "audit show tx-1", "catalog list users", "catalog show user-1"):
        assert cli(*line.split()).out.replace("\n", "").isprintable()


# Scenario files.

HEAD = """scenario: mine
catalog: {products: [{id: laptop-1, name: Laptop, price: 750, inStock: 1}], users: [{id: user-1, name: Ada}]}
purchases:
  - {product: laptop-1, customer: user-1}
expect:
  - {purchase: 1, outcome: committed}
"""
BOMB = "a: &a [x]\n" + "".join(
    f"{b}: &{b} [*{a},*{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
SCENARIOS = [
    ("tab", HEAD + "\t- x\n", "mine.yaml:7:1: not valid YAML"),
    ("bracket", HEAD + "policy: [default\n", "mine.yaml:8:1: not valid YAML"),
    ("unknown key", HEAD + "polcy: default\n", "mine.yaml:7: unknown key 'polcy' (did you mean 'policy'?)"),
    ("unknown policy", HEAD + "policy: defalt\n", "mine.yaml:7: policy: no policy is called 'defalt'"),
    ("wrong type", HEAD + "seed: often\n", "mine.yaml:7: seed: expected an integer, got text"),
    ("seed negative", HEAD + "seed: -1\n", "mine.yaml:7: seed"),
    ("seed huge", HEAD + f"seed: 1{'0' * 30}\n", "mine.yaml:7: seed"),
    ("currency", HEAD + "currency: EURO\n", "currency: 'EURO' is no currency code of ISO 4217"),
    ("product", HEAD.replace("product: laptop-1", "product: laptp-1"), "mine.yaml:4: purchases[0].product"),
    ("customer", HEAD.replace("customer: user-1", "customer: user-2"), "there is no customer 'user-2'"),
    (
        "quantity",
        HEAD.replace("customer: user-1", "customer: user-1, quantity: 0"),
        "0 units cannot be bought",
    ),
    (
        "fraction",
        HEAD.replace("customer: user-1", "customer: user-1, quantity: 1.5"),
        "purchases[0].quantity: expected an integer, got a number",
    ),
    (
        "fault",
        HEAD.replace("customer: user-1", 'customer: user-1, faults: ["payment:gateway_dwn"]'),
        "mine.yaml:4: purchases[0].faults[0]: no fault is called 'gateway_dwn' (did you mean",
    ),
    (
        "outcome",
        HEAD.replace("committed", "comitted"),
        "'comitted' is not allowed here (did you mean 'committed'?)",
    ),
    ("expectation", HEAD.replace("outcome:", "outcom:"), "unknown key 'outcom' (did you mean 'outcome'?)"),
    (
        "check",
        HEAD + "  - {checks: {find: [one-ordr]}}\n",
        "there is no check 'one-ordr' (did you mean 'one-order'?)",
    ),
    ("bomb", BOMB, "mine.yaml:1: the anchor '&a' is not read"),
    ("tag", "scenario: !!python/object/apply:os.system [ls]\n", "mine.yaml:1: the tag"),
    ("key twice", HEAD + "scenario: again\n", "mine.yaml:7: the key 'scenario' stands twice"),
    ("two documents", HEAD + "---\nx: 1\n", "a second document begins here"),
    ("catalog elsewhere", HEAD.replace("{products:", "../up.json #"), "leads out of"),
    ("deep", "x: " + "[" * 200 + "]" * 200 + "\n", "nested more than 50 levels deep"),
]


@pytest.mark.parametrize(
    ("text", "told"), [each[1:] for each in SCENARIOS], ids=[each[0] for each in SCENARIOS]
)
def test_a_scenario_that_cannot_be_meant_is_refused_with_its_line_and_runs_nothing(cli, text, told):
    Path("mine.yaml").write_text(text)
    error = error_of(cli("run", "mine.yaml", "--keep", "kept"))
    assert told in error
    assert "mine.yaml" in error
    assert not Path("kept").exists()


def test_a_mistake_in_the_last_scenario_keeps_the_first_from_running(cli):
    Path("mine.yaml").write_text(HEAD + "polcy: x\n")
    ran = cli("run", "happy-path", "mine.yaml")
    assert "polcy" in error_of(ran)
    assert ran.out == ""


# Exported files.


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            '"version":1',
            '"version":2',
            "tx-1.json: the file is of version 2, newer than 1 (read it with a newer",
        ),
        ('"format":"marketsim-events"', '"format":"others"', "tx-1.json: not an export of events"),
        ('"type":"transaction.began"', '"type":"transaction.bgan"', "tx-1.json:2: this is no event"),
        ('"before":[', '"before":[5,', "tx-1.json: what came before is damaged"),
        ('"policy":"default"', '"policy":"defalt"', "no policy is called 'defalt'"),
        ('"saga":"purchase"', '"saga":"purchse"', "'purchse'"),
        ('"attempt":1', '"attempt":1.5', "this is no event"),
    ],
)
def test_an_exported_file_that_cannot_be_read_is_refused(cli, used, old, new, told):
    cli("audit", "export", "--transaction", "tx-1", "--output", "tx-1.json")
    text = Path("tx-1.json").read_text()
    assert old in text
    Path("tx-1.json").write_text(text.replace(old, new, 1))
    assert told in error_of(cli("replay", "tx-1.json"))


# The market itself.

COMMANDS = [
    "purchase laptop-1",
    "recover",
    "catalog list",
    "catalog restock lamp-1 1",
    "catalog export",
    "audit list",
    "audit verify",
    "audit export",
    "replay tx-1",
]


@pytest.mark.parametrize("line", COMMANDS)
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere", "nowhere: there is no market here (make one with: marketsim init)"),
        ("file", "file: a market is a folder, and this is a file"),
        ("empty", "empty: this folder holds no market"),
    ],
)
def test_where_there_is_no_market_it_is_said_and_none_appears(cli, tmp_path, line, name, told):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    before = contents(tmp_path)
    assert told in error_of(cli(*line.split(), "--market", name))
    assert contents(tmp_path) == before
    assert not Path("nowhere").exists()


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, call: str, code: int, *, in_folder: str) -> Iterator[None]:
    """Make a call of the system fail for the files of a folder, as on a disk that is full or read-only."""
    real = getattr(os, call)

    def fail(*arguments: Any, **options: Any) -> Any:
        target = arguments[0]
        name = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fspath(target)
        writes = call != "open" or arguments[1] & (os.O_WRONLY | os.O_RDWR)
        if in_folder in name and writes:
            raise OSError(code, os.strerror(code), name)
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        yield


WRITERS = ["purchase laptop-1", "recover", "catalog restock lamp-1 1", "catalog add mug --name Mug --price 1"]


@pytest.mark.parametrize("line", WRITERS)
def test_a_market_that_may_not_be_written_is_refused_and_stays_as_it_is(cli, used, monkeypatch, line):
    before = contents(used)
    with failing(monkeypatch, "open", errno.EROFS, in_folder="/market/"):
        assert "read-only file system" in error_of(cli(*line.split())).lower()
    assert contents(used) == before
    assert cli("audit", "verify").code == 0


def test_a_market_in_a_folder_that_may_not_be_written_can_be_read(cli, used, monkeypatch):
    with failing(monkeypatch, "open", errno.EROFS, in_folder="/market/"):
        for line in ("catalog list", "audit list", "audit show tx-1", "audit verify", "replay tx-1"):
            assert cli(*line.split()).code == 0


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_disk_that_is_full_ends_a_purchase_that_never_was(cli, used, monkeypatch, call):
    before = contents(used)
    if call == "fdatasync":
        monkeypatch.setattr(log, "_sync_file", lambda file: os.fdatasync(file))
    with failing(monkeypatch, call, errno.ENOSPC, in_folder="/market/audit/0"):
        error = error_of(cli("purchase", "laptop-1"))
    assert "the log cannot be written: no space left on device (free some space" in error
    assert contents(used)["audit/000001.jsonl"] == before["audit/000001.jsonl"]
    assert cli("audit", "verify").code == 0
    assert cli("catalog", "show", "laptop-1", "--json").document["inStock"] == 1
    assert cli("purchase", "laptop-1", "--json").document["transaction"] == "tx-2"


LIMITED = """
import resource, signal, sys
from marketsim.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("line", ["purchase laptop-1", "catalog restock lamp-1 5"])
@pytest.mark.parametrize("room_bytes", [0, 10, 1000])
def test_a_disk_that_fills_up_for_real_loses_nothing(cli, used, line, room_bytes):
    """Files may grow no more than a little: the log holds no part of what it could not hold whole."""
    segment = used / "audit" / "000001.jsonl"
    before = segment.read_bytes()
    limit = "0" if room_bytes == 0 else str(len(before) + room_bytes)
    child = subprocess.run(
        [sys.executable, "-c", LIMITED, limit, *line.split()], capture_output=True, text=True, check=False
    )
    assert child.returncode in (0, 2), child
    if child.returncode == 2:
        error_of(Ran(2, child.stdout, child.stderr))
        assert segment.read_bytes() == before
    assert cli("audit", "verify").code == 0
    assert cli("purchase", "laptop-1").code == 0
    assert cli("audit", "verify").code == 0


HOLDER = """
import sys
from pathlib import Path
from marketsim.market.directory import open_market
with open_market(Path("market")):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_market_that_another_process_holds_is_waited_for_and_its_holder_named(cli, used):
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        before = contents(used)
        began = time.monotonic()
        for line in WRITERS:
            told = error_of(cli(*line.split(), "--wait", 0))
            assert f"market: the market is held by process {holder.pid}" in told
        assert time.monotonic() - began < WAIT_S
        for line in ("catalog list", "audit list", "audit verify", "replay tx-1"):
            assert cli(*line.split()).code == 0
        assert contents(used) == before
        holder.communicate()
    assert cli("purchase", "laptop-1", "--wait", 0).code == 0


def test_an_edit_that_cannot_be_meant_is_refused_with_its_line(cli, used):
    path = used / "catalog.json"
    edited = path.read_text().replace('"inStock": 1', '"inStock": -1')
    path.write_text(edited)
    error = error_of(cli("purchase", "laptop-1"))
    assert "catalog.json:" in error
    assert "inStock: is negative" in error
    assert path.read_text() == edited


def test_a_catalog_that_was_cut_off_is_refused_with_its_line(cli, used):
    path = used / "catalog.json"
    path.write_text(path.read_text()[:200])
    error = error_of(cli("purchase", "laptop-1"))
    assert "catalog.json:" in error
    assert "not valid JSON" in error
