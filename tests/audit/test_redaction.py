"""What is personal does not leave, what is not stays as it is, and one token is proven without the others."""

import json
import re
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.audit.redaction import (
    SECRET_BYTES,
    TOKEN_LENGTH,
    Redactor,
    card_numbers,
    commitment,
    marked,
    plain,
    restored,
    tokens_in,
    unmarked,
)
from marketsim.saga.errors import LogDamaged
from marketsim.saga.events import (
    CatalogChanged,
    CompensationPartial,
    LedgerPosted,
    NotificationSent,
    OperationFailed,
    OperationSucceeded,
    Posting,
    TransactionBegan,
    encode,
    leaf_hash,
)

CARD = "4111111111111111"
SECRET = bytes(range(SECRET_BYTES))
AT = {"seq": 7, "time": "2025-01-01T00:00:00.000000Z", "prev": "0" * 64, "transaction": "tx-1"}
CALL = {**AT, "operation": "charge_payment", "attempt": 1}


def luhn(digits: str) -> bool:
    """The check as it is told: double every second digit from the right, and add up all digits."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value // 10 + value % 10
    return total % 10 == 0


def with_check_digit(digits: str) -> str:
    return next(digits + each for each in "0123456789" if luhn(digits + each))


CARDS = (
    st.text("0123456789", min_size=12, max_size=18).filter(lambda text: text.strip("0")).map(with_check_digit)
)
GAPS = st.sampled_from(["", " ", "-", "  ", " -", "\u00a0", "\u2011", "\t"])


def redact(event):
    ((changed, leaf),) = Redactor(SECRET).records([event])
    return changed, leaf


@pytest.mark.parametrize(
    "text",
    [
        CARD,
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111\u00a01111\u20111111\t1111",
        "card 4111  1111  1111  1111.",
        "5500005555555559",
        "378282246310005",
        "3782 822463 10005",
        "6304000000000000",
        "4222222222222",
        "6011000990139424009",
        "on 2026-11-24 4111 1111 1111 1111 was charged",
        f"order 12 {CARD} 99",
        f"x{CARD}y",
    ],
)
def test_what_looks_like_a_card_number_is_found(text):
    (found,) = card_numbers(text)
    assert luhn(re.sub("[^0-9]", "", found))


@given(card=CARDS, before=st.text("0123456789 ", max_size=12), after=st.text("0123456789 ", max_size=12))
def test_no_card_number_is_left_by_another_that_overlaps_it(card, before, after):
    text = f"{before} {card[:4]} {card[4:]} {after}"
    for number in card_numbers(text):
        text = text.replace(number, "x")
    assert f"{card[:4]} {card[4:]}" not in text
    assert card[4:] not in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4111111111111112",
        "411111111111",
        "0" * 16,
        "41111111111111111111",
        "4111.1111.1111.1111",
        "4111   1111   1111   1111",
        "2026-11-24T11:38:39.124692Z",
        "order-1 is confirmed",
        "٤١١١١١١١١١١١١١١١",
    ],
)
def test_what_does_not_is_not(text):
    assert card_numbers(text) == []


@given(
    card=CARDS,
    gap=GAPS,
    cuts=st.sets(st.integers(1, 18), max_size=4),
    around=st.sampled_from(["", "a", " (", "x "]),
)
def test_no_card_number_leaves_however_it_is_grouped(card, gap, cuts, around):
    edges = [0, *sorted(cut for cut in cuts if cut < len(card)), len(card)]
    number = gap.join(card[start:end] for start, end in pairwise(edges))
    event = OperationFailed(**CALL, code="error", reason=f"{around}{number}{around}", retry="never")
    changed, leaf = redact(event)
    assert number not in changed.reason
    assert card_numbers(re.sub("redacted-[A-Za-z0-9_-]{43}", "", changed.reason)) == []
    assert leaf == leaf_hash(encode(event))


@pytest.mark.parametrize(
    "event",
    [
        OperationSucceeded(**CALL, result={"card": int(CARD)}),
        OperationSucceeded(**CALL, result={"deep": [{"x": [int(CARD), CARD]}]}),
        OperationSucceeded(**CALL, result={CARD: 1}),
        OperationSucceeded(**CALL, result={"note": "4111-1111-1111-1111"}),
        NotificationSent(**CALL, customer="user-1", message=f"Your card {CARD} was charged"),
        TransactionBegan(**AT, saga="s", policy="p", request={"note": CARD}, seed=1, faults=[CARD]),
        CompensationPartial(**CALL, compensation="refund", result={}, remains={"card": CARD}),
    ],
    ids=lambda event: event.type,
)
def test_a_card_number_is_found_in_every_place(event):
    changed, leaf = redact(event)
    assert "1111" not in encode(changed).decode()
    assert leaf


def test_amounts_spans_and_seeds_are_no_card_numbers():
    big = int(CARD)
    events = [
        TransactionBegan(**AT, saga="s", policy="p", request={"quantity": big}, seed=big, cancel_us=big),
        LedgerPosted(**AT, postings=[Posting("money:merchant", amount_minor=big, currency="USD")]),
        OperationSucceeded(**CALL, result={"amount_minor": big, "delay_us": big}),
    ]
    assert list(Redactor(SECRET).records(events)) == list(plain(events))


def test_every_field_of_a_customer_but_the_id_is_redacted_and_of_a_product_none():
    event = CatalogChanged(
        seq=2,
        source="init",
        products=[{"id": "laptop-1", "name": "Laptop", "price_minor": 1}],
        customers=[{"id": "user-1", "name": "Ada", "vip": True, "tags": ["a"], "empty": ""}],
        fields=["user-1: email"],
    )
    changed, _ = redact(event)
    assert changed.products == event.products
    (customer,) = changed.customers
    assert customer["id"] == "user-1"
    assert customer["empty"] == ""
    assert all(len(tokens_in(customer[key])) == 1 for key in ("name", "vip", "tags"))


def test_what_a_customer_bought_stays_but_only_as_the_sums_of_an_excerpt():
    card = "4111 1111 1111 1111"
    sums = {"orders": 2, "lines": [{"product": card, "quantity": 2, "price_minor": 1}]}
    customers = [{"id": "user-1", "bought": each} for each in (sums, {"orders": 2}, "diapers")]
    changed, _ = redact(CatalogChanged(seq=2, source="excerpt", customers=customers))
    kept, *others = [each["bought"] for each in changed.customers]
    assert kept["orders"] == 2
    assert kept["lines"][0].keys() == sums["lines"][0].keys()
    assert card not in str(kept)
    assert all(len(tokens_in(each)) == 1 for each in others)


@pytest.mark.parametrize(
    "request_",
    [
        {"email": "a@b.org"},
        {"E-Mail": "a@b.org"},
        {"customer_name": "Ada"},
        {"deep": {"phone": 49}},
        {"customer": {"id": "user-1", "note": "Ada"}},
        {"customers": [{"id": "user-1", "anything": "Ada"}]},
        {"address": {"street": "Ada"}},
    ],
)
def test_what_stands_under_a_personal_key_is_redacted(request_):
    changed, leaf = redact(TransactionBegan(**AT, saga="s", policy="p", request=request_, seed=1))
    text = encode(changed).decode()
    assert leaf
    assert "Ada" not in text
    assert "a@b.org" not in text
    assert "49" not in json.dumps(request_) or '"phone":49' not in text


@pytest.mark.parametrize(
    "request_", [{"customer": "user-1", "name": "Laptop", "product": "ad-dress"}, {"email": ""}]
)
def test_ids_and_names_of_things_stay(request_):
    assert redact(TransactionBegan(**AT, saga="s", policy="p", request=request_, seed=1))[1] == ""


def test_the_same_value_has_the_same_token_in_one_export_and_another_in_the_next():
    first, again = (
        redact(NotificationSent(**CALL, customer="c", message=CARD)),
        redact(OperationFailed(**CALL, code="x", reason=CARD, retry="never")),
    )
    assert first[0].message == again[0].reason
    assert len(first[0].message) == TOKEN_LENGTH
    assert Redactor(bytes(SECRET_BYTES)).token(CARD) != first[0].message


def test_a_value_is_proven_by_its_own_salt_and_by_no_other():
    redactor = Redactor(SECRET)
    salt = redactor.salt("Ada")
    assert commitment(salt, "Ada") == redactor.token("Ada")
    assert commitment(salt, "Eve") != redactor.token("Ada")
    assert commitment(salt, "Eve") != redactor.token("Eve")
    assert redactor.token("1") != redactor.token(1)


@given(
    st.dictionaries(
        st.text(max_size=5), st.integers() | st.text(max_size=8) | st.just(CARD) | st.just(int(CARD))
    )
)
def test_with_its_values_put_back_an_event_is_what_it_was(result):
    result = {key: value for key, value in result.items() if isinstance(value, str) or abs(value) < 2**63}
    event = OperationSucceeded(**CALL, result=result | {"email": "a@b.org", f"is {CARD}": True})
    changed, leaf = redact(event)
    values = {Redactor(SECRET).token(each): each for each in (CARD, "a@b.org", *result.values())}
    assert restored(changed, values) == event
    assert leaf_hash(encode(restored(changed, values))) == leaf


def test_what_is_nested_too_deeply_to_look_through_does_not_leave():
    deep: list[object] = [CARD]
    for _ in range(600):
        deep = [deep]
    with pytest.raises(LogDamaged, match="event 7 is nested too deeply"):
        redact(OperationSucceeded(**CALL, result={"deep": deep}))


def test_a_line_carries_the_hash_it_had_and_is_read_back():
    record = redact(OperationFailed(**CALL, code="x", reason=CARD, retry="never"))
    assert unmarked(marked(record)) == record
    assert json.loads(marked(record))["leaf"] == record[1]
    kept = OperationFailed(**CALL, code="x", reason="no", retry="never")
    assert marked((kept, "")) == encode(kept)


@pytest.mark.parametrize("leaf", ["", "00", 7, "G" * 64, None])
def test_a_line_with_a_hash_that_is_none_is_refused(leaf):
    line = {**json.loads(encode(OperationFailed(**CALL, code="x", reason="no", retry="never"))), "leaf": leaf}
    with pytest.raises(msgspec.ValidationError):
        unmarked(json.dumps(line).encode())


def test_the_number_time_type_and_chain_are_never_touched():
    event = OperationFailed(**{**CALL, "prev": CARD * 4, "time": CARD}, code="x", reason=CARD, retry="never")
    changed, _ = redact(event)
    assert (changed.prev, changed.time, changed.seq) == (event.prev, event.time, event.seq)
