"""The services: one effect a key, and reverts that undo what was done, once."""

import pytest
from drivers.runs import PRICE_MINOR, Shop, began, errors, shop

from marketsim.market import gateway, services
from marketsim.market.ledger import AVAILABLE, MERCHANT, RESERVED, SOLD, customer_account, money, stock
from marketsim.market.ledger import reversed_postings as undone
from marketsim.saga.definition import Call
from marketsim.saga.errors import NEVER_ARRIVED, NOTHING_STANDS, RETURNED_TOO_MUCH, Aborted, Failed, Partial
from marketsim.saga.events import (
    CatalogChanged,
    LedgerPosted,
    NotificationSent,
    OrderCancelled,
    OrderPlaced,
    ServiceNoted,
)

LINE = {"product": "laptop-1", "quantity": 2, "price_minor": PRICE_MINOR}


@pytest.fixture
def market() -> Shop:
    made = shop(5)
    made.driver.record(began())
    return made


def action(market: Shop, name: str, transaction: str = "tx-1") -> Call:
    request = began(number=int(transaction[3:]))
    key = f"{transaction}:{name}"
    return Call(
        request, {}, market.world, market.driver.record, operation=name, attempt=1, key=key, action_key=key
    )


def revert(market: Shop, name: str) -> Call:
    return Call(
        began(),
        {},
        market.world,
        market.driver.record,
        operation=name,
        compensation=f"undo_{name}",
        attempt=1,
        key=f"tx-1:{name}:undo_{name}",
        action_key=f"tx-1:{name}",
    )


def reserve(market: Shop) -> dict[str, object]:
    return services.reserve(action(market, "reserve"), "laptop-1", 2, PRICE_MINOR)


def charge(market: Shop) -> dict[str, object]:
    return gateway.charge(action(market, "charge"), "user-1", 2 * PRICE_MINOR, "USD")


def place(market: Shop) -> dict[str, object]:
    return services.place(action(market, "place"), "order-1", "user-1", [LINE], 2 * PRICE_MINOR, "USD")


def notify(market: Shop) -> dict[str, object]:
    return services.notify(action(market, "notify"), "user-1", "order-1 is confirmed")


def release(market: Shop) -> dict[str, object]:
    return services.release(revert(market, "reserve"))


def refund(market: Shop) -> dict[str, object]:
    return gateway.refund(revert(market, "charge"))


def cancel(market: Shop) -> dict[str, object]:
    return services.cancel(revert(market, "place"))


def standing(market: Shop) -> dict[str, int]:
    names = {AVAILABLE: "laptop-1", RESERVED: "laptop-1", SOLD: "laptop-1", MERCHANT: "USD"}
    return {name.split(":")[1]: market.world.balances[name, unit] for name, unit in names.items()}


@pytest.mark.parametrize(
    ("steps", "effects"),
    [
        ([reserve], 1),
        ([charge], 1),
        ([reserve, place], 3),
        ([notify], 1),
        ([reserve, release], 2),
        ([charge, refund], 2),
        ([reserve, place, cancel], 5),
    ],
    ids=["reserve", "charge", "place", "notify", "release", "refund", "cancel"],
)
def test_a_call_under_the_same_key_has_its_effect_once_and_gives_the_same_answer(market, steps, effects):
    before = len(market.log.events)
    for step in steps:
        assert step(market) == step(market) == step(market)
    assert len(market.log.events) - before == effects


def test_the_answer_is_the_same_though_others_bought_the_rest_meanwhile(market):
    first = reserve(market)
    market.driver.record(LedgerPosted(postings=stock("laptop-1", 3, AVAILABLE, SOLD)))
    assert reserve(market) == first


def test_reserving_takes_units_off_sale_and_holds_them(market):
    assert reserve(market) == {"product": "laptop-1", "quantity": 2}
    assert standing(market) == {"available": 3, "reserved": 2, "sold": 0, "merchant": 0}


def test_what_is_not_there_cannot_be_reserved(market):
    with pytest.raises(Failed, match="5 of laptop-1 available, 6 wanted") as failed:
        services.reserve(action(market, "reserve"), "laptop-1", 6, PRICE_MINOR)
    assert (failed.value.code, failed.value.retry) == ("out_of_stock", "never")
    assert standing(market)["available"] == 5


def test_a_quote_tells_price_and_stock_and_changes_nothing(market):
    before = len(market.log.events)
    quote = services.quote(action(market, "check"), "laptop-1", 5)
    assert quote == {"available": 5, "price_minor": PRICE_MINOR, "currency": "USD"}
    with pytest.raises(Failed, match="5 of laptop-1 available, 6 wanted"):
        services.quote(action(market, "check"), "laptop-1", 6)
    assert len(market.log.events) == before


def test_releasing_puts_back_exactly_what_was_held(market):
    reserve(market)
    assert release(market) == {"quantity": 2}
    assert standing(market) == {"available": 5, "reserved": 0, "sold": 0, "merchant": 0}


def test_charging_and_refunding_leave_nothing(market):
    assert charge(market) == {"amount_minor": 2 * PRICE_MINOR, "currency": "USD"}
    assert standing(market)["merchant"] == 2 * PRICE_MINOR
    assert market.world.balances[customer_account("user-1"), "USD"] == -2 * PRICE_MINOR
    assert refund(market) == {"amount_minor": 2 * PRICE_MINOR, "currency": "USD"}
    assert standing(market)["merchant"] == market.world.balances[customer_account("user-1"), "USD"] == 0


def test_an_order_sells_what_was_reserved_and_its_cancellation_reserves_it_again(market):
    reserve(market)
    assert place(market) == {"order": "order-1", "quantity": 2}
    assert standing(market) == {"available": 3, "reserved": 0, "sold": 2, "merchant": 0}
    assert cancel(market) == {"order": "order-1"}
    assert standing(market) == {"available": 3, "reserved": 2, "sold": 0, "merchant": 0}
    assert market.world.standing_orders() == []


def test_an_order_of_which_only_the_posting_was_recorded_is_completed(market):
    reserve(market)
    market.driver.record(
        LedgerPosted(
            transaction="tx-1",
            operation="place",
            key="tx-1:place",
            postings=stock("laptop-1", 2, RESERVED, SOLD),
        )
    )
    place(market)
    assert standing(market)["sold"] == 2
    assert [order.order for order in market.world.standing_orders()] == ["order-1"]


def test_an_order_of_which_only_the_posting_was_recorded_is_taken_back(market):
    reserve(market)
    market.driver.record(
        LedgerPosted(
            transaction="tx-1",
            operation="place",
            key="tx-1:place",
            postings=stock("laptop-1", 2, RESERVED, SOLD),
        )
    )
    assert cancel(market) == {"order": ""}
    assert standing(market) == {"available": 3, "reserved": 2, "sold": 0, "merchant": 0}


def test_an_order_of_which_the_half_was_taken_back_is_not_completed_by_a_request_that_hung(market):
    reserve(market)
    market.driver.record(
        LedgerPosted(
            transaction="tx-1",
            operation="place",
            key="tx-1:place",
            postings=stock("laptop-1", 2, RESERVED, SOLD),
        )
    )
    call = action(market, "place")
    with pytest.raises(Failed) as half:
        services.order_status(call)
    assert half.value.code == "partly_done", "what is sold to nobody is no order"
    cancel(market)
    with pytest.raises(Failed) as failed:
        place(market)
    assert failed.value.code == "fenced"
    assert market.world.standing_orders() == []


def test_a_cancellation_of_which_only_the_half_was_recorded_is_completed(market):
    reserve(market)
    place(market)
    market.driver.record(OrderCancelled(transaction="tx-1", key="tx-1:place:undo_place", order="order-1"))
    cancel(market)
    assert standing(market) == {"available": 3, "reserved": 2, "sold": 0, "merchant": 0}
    assert sum(isinstance(event, OrderCancelled) for event in market.log.events) == 1


def test_what_an_order_sold_cannot_be_put_on_sale_while_it_stands(market):
    reserve(market)
    place(market)
    with pytest.raises(Failed) as failed:
        release(market)
    assert failed.value.code == "not_held"
    assert standing(market)["available"] == 3


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        (release, {"quantity": 0}),
        (refund, {"amount_minor": 0, "currency": "USD"}),
        (cancel, {"order": ""}),
    ],
    ids=["release", "refund", "cancel"],
)
def test_a_revert_is_content_where_nothing_was_done_and_fences_what_may_still_arrive(market, step, answer):
    before = len(market.log.events)
    assert step(market) == step(market) == answer
    (noted,) = market.log.events[before:]
    assert isinstance(noted, ServiceNoted)
    assert (noted.note, noted.key) == ("fenced", f"tx-1:{noted.operation}:undo_{noted.operation}")


@pytest.mark.parametrize(
    ("step", "late"),
    [(release, reserve), (refund, charge), (cancel, place)],
    ids=["reserve", "charge", "place"],
)
def test_a_request_that_arrives_after_its_revert_is_refused(market, step, late):
    if late is place:
        reserve(market)
    step(market)
    before = len(market.log.events)
    for _ in range(2):
        with pytest.raises(Failed, match="its revert was here first") as failed:
            late(market)
        assert (failed.value.code, failed.value.retry) == ("fenced", "never")
    assert len(market.log.events) == before


def test_a_message_that_hung_is_not_sent_once_its_correction_was_here(market):
    assert services.correct(revert(market, "notify")) == {}
    with pytest.raises(Failed, match="its revert was here first"):
        notify(market)
    assert not any(isinstance(event, NotificationSent) for event in market.log.events)


def test_a_fence_stops_one_transaction_and_not_another(market):
    market.driver.record(began(number=2))
    release(market)
    services.reserve(action(market, "reserve", "tx-2"), "laptop-1", 1, PRICE_MINOR)
    assert standing(market)["reserved"] == 1


def test_a_revert_of_what_was_done_fences_nothing(market):
    reserve(market)
    release(market)
    assert not market.world.fenced("tx-1", "reserve")


def test_what_does_not_cost_any_more_what_was_quoted_is_not_reserved(market):
    record = {"id": "laptop-1", "name": "Laptop", "price_minor": PRICE_MINOR + 1}
    market.driver.record(CatalogChanged(source="edit", products=[record]))
    with pytest.raises(Failed, match="does not cost any more what was quoted") as failed:
        reserve(market)
    assert (failed.value.code, failed.value.retry) == ("price_changed", "never")
    assert standing(market)["available"] == 5


def test_what_is_reserved_stays_reserved_though_the_price_changes(market):
    first = reserve(market)
    record = {"id": "laptop-1", "name": "Laptop", "price_minor": 1}
    market.driver.record(CatalogChanged(source="edit", products=[record]))
    assert reserve(market) == first


@pytest.mark.parametrize(("wanted", "filled"), [(2, 1), (5, 2), (4, 2)])
def test_a_part_of_the_units_is_reserved_and_told_and_given_back_whole(market, wanted, filled):
    call = action(market, "reserve")
    call.fault = "partial_fill"
    told = {"product": "laptop-1", "quantity": filled, "wanted": wanted}
    with pytest.raises(Aborted, match=f"only {filled} of {wanted} laptop-1") as aborted:
        services.reserve(call, "laptop-1", wanted, PRICE_MINOR)
    assert aborted.value.payload == told
    assert standing(market)["reserved"] == filled
    with pytest.raises(Aborted) as again:
        services.reserve(action(market, "reserve"), "laptop-1", wanted, PRICE_MINOR)
    assert again.value.payload == told, "asked again, it says the same and takes no more"
    assert standing(market)["reserved"] == filled
    assert release(market) == {"quantity": filled}
    assert standing(market)["available"] == 5


def test_of_a_single_unit_no_part_can_be_reserved(market):
    call = action(market, "reserve")
    call.fault = "partial_fill"
    with pytest.raises(Failed) as failed:
        services.reserve(call, "laptop-1", 1, PRICE_MINOR)
    assert failed.value.code == "out_of_stock"
    assert standing(market)["reserved"] == 0


def test_what_is_given_back_bit_by_bit_goes_under_a_key_for_each_bit(market):
    reserve(market)
    half = revert(market, "reserve")
    half.fault = "revert_partial"
    with pytest.raises(Partial) as partial:
        services.release(half)
    assert (partial.value.result, partial.value.remains) == ({"quantity": 1}, {"quantity": 1})
    assert release(market) == {"quantity": 1}
    keys = [
        event.key for event in market.log.events if isinstance(event, LedgerPosted) and event.compensation
    ]
    assert keys == ["tx-1:reserve:undo_reserve", "tx-1:reserve:undo_reserve#2"]
    assert standing(market) == {"available": 5, "reserved": 0, "sold": 0, "merchant": 0}


@pytest.mark.parametrize(
    ("probe", "steps"),
    [
        (lambda call: services.reservation_status(call, "laptop-1", 2), (reserve, release)),
        (lambda call: gateway.payment_status(call, 2 * PRICE_MINOR), (charge, refund)),
        (services.order_status, (place, cancel)),
    ],
    ids=["reserve", "charge", "place"],
)
def test_a_probe_tells_what_the_operation_told_and_changes_nothing(market, probe, steps):
    do, undo = steps
    if do is place:
        reserve(market)
    name = do.__name__

    def asked():
        before = len(market.log.events)
        call = action(market, name)
        call.key = ""
        try:
            return probe(call)
        finally:
            assert len(market.log.events) == before

    with pytest.raises(Failed) as nothing:
        asked()
    assert nothing.value.code == NEVER_ARRIVED
    answer = do(market)
    assert asked() == answer
    undo(market)
    with pytest.raises(Failed) as nothing:
        asked()
    assert nothing.value.code == NOTHING_STANDS


def test_a_probe_tells_when_more_was_given_back_than_was_taken(market):
    reserve(market)
    twice = revert(market, "reserve")
    twice.fault = "not_idempotent"
    services.release(twice)
    services.release(twice)
    with pytest.raises(Failed) as failed:
        services.reservation_status(action(market, "reserve"), "laptop-1", 2)
    assert failed.value.code == RETURNED_TOO_MUCH


def test_a_probe_tells_a_part_from_the_whole(market):
    reserve(market)
    with pytest.raises(Failed, match="only a part of it was done") as failed:
        services.reservation_status(action(market, "reserve"), "laptop-1", 3)
    assert failed.value.code == "partly_done"


def test_a_revert_touches_nothing_of_another_transaction(market):
    market.driver.record(began(number=2))
    services.reserve(action(market, "reserve", "tx-2"), "laptop-1", 1, PRICE_MINOR)
    reserve(market)
    release(market)
    assert standing(market) == {"available": 4, "reserved": 1, "sold": 0, "merchant": 0}


def test_a_message_is_sent_once(market):
    notify(market)
    notify(market)
    (sent,) = [event for event in market.log.events if isinstance(event, NotificationSent)]
    assert (sent.customer, sent.message) == ("user-1", "order-1 is confirmed")


def test_ten_units_more_take_a_day_more():
    assert [services.estimate(quantity)["days"] for quantity in (1, 9, 10, 25)] == [2, 2, 3, 4]


def test_every_posting_sums_to_zero(market):
    for step in (reserve, charge, place, cancel, refund, release):
        step(market)
    assert [found for found in errors(market.log.events) if found.rule == "postings-balance"] == []
    assert undone(undone(money(5, "USD", "a", "b"))) == money(5, "USD", "a", "b")


def test_effects_tell_who_caused_them(market):
    reserve(market)
    release(market)
    done, back = market.log.events[-2:]
    assert (done.operation, done.compensation, done.key) == ("reserve", "", "tx-1:reserve")
    assert (back.operation, back.compensation, back.key) == (
        "reserve",
        "undo_reserve",
        "tx-1:reserve:undo_reserve",
    )
    assert isinstance(done, LedgerPosted)
    assert not isinstance(done, OrderPlaced)
