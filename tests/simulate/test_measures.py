"""What a stream tells of the business: against a slow and plain computation, and by hand for each figure."""

import pickle
import random

import msgspec
import pytest
from simulate.measuring import START_US, Market, Slow, folded

from marketsim.audit.letters import dead_letters
from marketsim.drivers.clock import stamp
from marketsim.drivers.virtual import Driver
from marketsim.market.ledger import money
from marketsim.market.ledger import stock as stock_moves
from marketsim.saga import events as e
from marketsim.simulate import shelves, wishes
from marketsim.simulate.measured import Injected, Measured, Tallied, figures, merged
from marketsim.simulate.measures import Measures
from marketsim.simulate.shelves import Phantom
from marketsim.simulate.wishes import Sales

FAULTS = [
    "payment:card_declined%30",
    "payment:timeout_after%10",
    "payment:late_success%5",
    "place_order:error%10",
    "reserve_stock:timeout_after%5",
    "reserve_stock:out_of_stock%5",
    "release_stock:error%20",
    "release_stock:timeout_after%40",
    "release_stock:not_idempotent%60",
    "release_stock:revert_partial%10",
    "refund_payment:refund_double%10",
    "reserve_stock:reservation_expired%5",
]
POLICIES = ("default", "none", "orra", "agent-saga", "camunda")


def busy(seed: int, policy: str, saga: str = "purchase") -> list[e.Event]:
    """A market of which too much is wanted, by customers who come back, with whatever goes wrong."""
    draw = random.Random(seed)
    stock = [draw.randint(1, 6) for _ in range(3)]
    market = Market(stock)
    faults = draw.sample(FAULTS, draw.randint(1, 5))
    if saga == "checkout":
        faults = ["payment:card_declined%30", "capture_payment:timeout_after%10"]
    gateway = draw.choice(("stripe", "none"))
    at_us = 0
    for number in range(1, draw.randint(10, 30)):
        at_us += draw.choice((0, 50_000, 300_000, 5_000_000, 1_200_000_000))
        goods = draw.sample(range(3), draw.randint(1, 2))
        lines = {f"p{each}": draw.randint(1, 3) for each in goods}
        customer = f"u{draw.randint(0, 3)}"
        how = {"policy": policy, "faults": faults, "saga": saga, "gateway": gateway}
        market.order(number, lines, customer, delay_us=at_us, **how)
    return market.run()


def check(events: list[e.Event], told: Measured) -> None:
    """Every figure is what the slow computation says."""
    slow = Slow(events)
    assert {
        name: (each.count, each.minor) for name, each in told.outcomes.items() if each.count
    } == slow.outcomes()
    refusals = slow.refusals()
    found = [(each, until_us) for each in refusals if (until_us := slow.phantom(each))]
    assert told.refused.count == len(refusals)
    assert told.refused.units == sum(units for _, _, _, units in refusals)
    assert told.phantom.refusals == len(found)
    assert told.phantom.units == sum(units for (_, _, _, units), _ in found)
    assert told.phantom.waited_us == sum(until_us - slow.at[index] for (index, _, _, _), until_us in found)
    out = {product: out_us for product in slow.products if (out_us := slow.out_us(product))}
    assert told.out == out
    assert told.phantom.out_us == sum(out.values())
    assert (told.lost, told.came_back) == slow.wishes()
    assert told.stranded.count == sum(slow.stranded(product, len(events)) for product in slow.products)
    assert told.oversold == sum(slow.oversold(product) for product in slow.products)
    assert told.held == slow.money()
    assert told.consistency == slow.consistency()
    injected = [each for each in events if isinstance(each, e.FaultInjected)]
    assert sum(each.count for each in told.faults) == len(injected)
    assert sum(map(sum, told.series.rows.values())) == told.purchases - told.outcomes["open"].count


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", range(12))
def test_a_busy_market_tells_what_the_slow_computation_does(seed, policy):
    events = busy(seed, policy)
    check(events, folded(events))


@pytest.mark.parametrize("policy", ["default", "none", "orra"])
@pytest.mark.parametrize("seed", range(6))
def test_so_does_one_of_carts(seed, policy):
    events = busy(seed, policy, "checkout")
    check(events, folded(events))


@pytest.mark.parametrize("policy", POLICIES)
def test_one_by_one_or_many_at_once_they_tell_the_same(policy):
    market = Market([2, 1])
    for number in range(1, 15):
        market.order(number, {"p0": 1}, policy=policy, faults=FAULTS[:4], delay_us=number * 200_000)
    events = market.run()
    assert msgspec.json.encode(market.live.measured()) == msgspec.json.encode(folded(events))


@pytest.mark.parametrize("seed", range(10))
def test_dead_letters_are_those_that_the_audit_lists(seed):
    for policy in POLICIES:
        events = busy(seed, policy)
        late = [each for each in events if isinstance(each, e.OperationLate)]
        if not late:  # What lands after the end is in the audit's list, and in the measures' money held.
            assert folded(events).dead_letters == len(dead_letters(events))


# By hand: one product at 10.00, its times in seconds.


def written(*told: tuple[float, e.Event], stock: int = 1) -> Measured:
    """What a stream comes to that is written down here, each event at its second."""
    opening = [
        e.MarketCreated(origin="m", currency="USD"),
        e.CatalogChanged(source="test", products=[{"id": "p", "name": "P", "price_minor": 1_000}]),
        e.LedgerPosted(postings=stock_moves("p", stock, "stock:supplier", "stock:available")),
    ]
    events = [(0.0, each) for each in opening] + list(told)
    for seq, (second, event) in enumerate(events, 1):
        event.seq, event.time = seq, stamp(START_US + round(second * 1_000_000))
    return folded(event for _, event in events)


def begins(name: str, customer: str = "ada", units: int = 1, faults: list[str] = []) -> e.Event:  # noqa: B006
    request = {"product": "p", "customer": customer, "quantity": units}
    return e.TransactionBegan(
        transaction=name, saga="purchase", policy="default", request=request, seed=1, faults=faults
    )


def takes(name: str, units: int = 1) -> e.Event:
    """Units are reserved."""
    moves = stock_moves("p", units, "stock:available", "stock:reserved")
    return e.LedgerPosted(transaction=name, operation="reserve_stock", attempt=1, postings=moves)


def gives(name: str, units: int = 1) -> e.Event:
    """They are released."""
    moves = stock_moves("p", units, "stock:reserved", "stock:available")
    at = {"transaction": name, "operation": "reserve_stock", "compensation": "release_stock", "attempt": 1}
    return e.LedgerPosted(**at, postings=moves)


def pays(name: str, minor: int) -> e.Event:
    moves = money(minor, "USD", "money:customer:ada", "money:merchant")
    return e.LedgerPosted(transaction=name, operation="charge_payment", attempt=1, postings=moves)


def orders(name: str, minor: int) -> e.Event:
    at = {"transaction": name, "operation": "place_order", "attempt": 1, "order": name, "customer": "ada"}
    return e.OrderPlaced(**at, lines=[], total_minor=minor, currency="USD")


def refused(name: str, code: str = "out_of_stock") -> e.Event:
    told = {"operation": "check_availability", "attempt": 1, "code": code, "reason": "none", "retry": "never"}
    return e.OperationFailed(transaction=name, **told)


def commits(name: str) -> e.Event:
    return e.TransactionCommitted(transaction=name)


def reverts(name: str) -> e.Event:
    return e.TransactionCompensated(transaction=name)


def abandons(name: str) -> e.Event:
    return e.TransactionAbandoned(transaction=name, operation="charge_payment", reason="card_declined")


def test_a_customer_is_turned_away_in_vain_until_the_units_are_back():
    told = written(
        *((0, begins("tx-1", "bob")), (1, takes("tx-1"))),
        *((10, begins("tx-2")), (11, refused("tx-2")), (11, reverts("tx-2"))),
        *((71, gives("tx-1")), (72, reverts("tx-1"))),
    )
    assert told.phantom == Phantom(refusals=1, units=1, minor=1_000, waited_us=60_000_000, out_us=70_000_000)
    assert (told.lost, told.came_back) == (Sales(1, 1, 1_000), Sales())
    assert told.out == {"p": 70_000_000}
    assert told.series.rows["refused"][11] == 1


def test_a_customer_is_not_turned_away_in_vain_by_whoever_buys():
    told = written(
        *((0, begins("tx-1", "bob")), (1, takes("tx-1"))),
        *((10, begins("tx-2")), (11, refused("tx-2")), (11, reverts("tx-2"))),
        (72, commits("tx-1")),
    )
    assert told.refused == Sales(1, 1, 1_000)
    assert (told.phantom, told.lost, told.out) == (Phantom(), Sales(), {})


def test_units_that_are_abandoned_are_held_in_vain_to_the_end():
    told = written(
        *((0, begins("tx-1", "bob")), (1, takes("tx-1")), (5, abandons("tx-1"))),
        *((10, begins("tx-2")), (10, refused("tx-2")), (10, reverts("tx-2"))),
        *((40, begins("tx-3")), (41, refused("tx-3", "out_of_stock")), (41, reverts("tx-3"))),
    )
    assert told.stranded == Tallied(1, 1_000)
    assert told.phantom == Phantom(2, 2, 2_000, waited_us=31_000_000, out_us=40_000_000)
    assert told.lost == Sales(1, 1, 1_000)  # The same customer wants the same thing.
    assert told.dead_letters == 1


def test_who_comes_back_within_the_hour_and_buys_is_no_lost_sale():
    def story(back_s: float) -> Measured:
        return written(
            *((0, begins("tx-1", "bob")), (1, takes("tx-1"))),
            *((10, begins("tx-2")), (10, refused("tx-2")), (10, reverts("tx-2"))),
            *((71, gives("tx-1")), (72, reverts("tx-1"))),
            *((back_s, begins("tx-3")), (back_s, takes("tx-3")), (back_s, commits("tx-3"))),
        )

    assert (story(3_610).lost, story(3_610).came_back) == (Sales(), Sales(1, 1, 1_000))
    assert (story(3_611).lost, story(3_611).came_back) == (Sales(1, 1, 1_000), Sales())


def test_who_wants_more_than_is_held_in_vain_is_turned_away_by_rights():
    told = written(
        *((0, begins("tx-1", "bob")), (1, takes("tx-1", 2))),
        *((10, begins("tx-2", units=3)), (10, refused("tx-2")), (10, reverts("tx-2"))),
        *((71, gives("tx-1", 2)), (72, reverts("tx-1"))),
        stock=2,
    )
    assert told.refused.units == 3
    assert told.phantom.refusals == 0


def test_what_is_given_back_twice_is_sold_twice():
    told = written(
        *(
            (0, begins("tx-1")),
            (1, takes("tx-1")),
            (2, gives("tx-1")),
            (3, gives("tx-1")),
            (4, reverts("tx-1")),
        ),
        *((5, begins("tx-2")), (6, takes("tx-2")), (7, commits("tx-2"))),
        *((8, begins("tx-3")), (9, takes("tx-3")), (10, commits("tx-3"))),
    )
    assert told.oversold == 1


def test_money_is_held_from_the_charge_to_the_refund():
    told = written(
        *(
            (0, begins("tx-1")),
            (10, pays("tx-1", 1_000)),
            (7_210, pays("tx-1", -1_000)),
            (7_211, reverts("tx-1")),
        ),
        *((7_211, begins("tx-2")), (7_211, pays("tx-2", 500)), (7_211, abandons("tx-2"))),
        *((10_811, begins("tx-3")), (10_811, commits("tx-3"))),
    )
    held = told.held
    assert (held.count, held.minor, held.still_minor, held.minor_hours) == (2, 1_500, 500, 2_500)
    assert (held.returned.count, held.returned.max_us) == (1, 7_200_000_000)


def test_more_than_the_price_is_a_double_charge():
    told = written(
        *(
            (0, begins("tx-1")),
            (1, pays("tx-1", 1_000)),
            (2, pays("tx-1", 1_000)),
            (3, orders("tx-1", 1_000)),
        ),
        (4, commits("tx-1")),
    )
    assert (told.held.double, told.held.double_minor) == (1, 1_000)
    assert told.outcomes["committed"] == Tallied(1, 1_000)


def test_money_that_moves_when_its_transaction_has_ended_is_held():
    told = written(
        *((0, begins("tx-1")), (1, abandons("tx-1")), (2, pays("tx-1", 700)), (3_602, pays("tx-1", -300))),
        *((7_202, begins("tx-2")), (7_202, reverts("tx-2"))),
    )
    assert (told.held.still_minor, told.held.minor_hours) == (400, 1_100)


def test_consistency_is_from_the_first_effect_to_the_last_revert():
    back = {
        "transaction": "tx-1",
        "operation": "reserve_stock",
        "compensation": "release_stock",
        "attempt": 1,
    }
    told = written(
        *((0, begins("tx-1")), (3, takes("tx-1")), (8, gives("tx-1"))),
        *((9, e.CompensationSucceeded(**back)), (30, reverts("tx-1"))),
    )
    assert (told.consistency.count, told.consistency.max_us) == (1, 6_000_000)


def test_a_dead_letter_that_is_closed_waits_no_longer():
    stuck = e.TransactionStuck(transaction="tx-1", dead_letters=["reserve_stock", "charge_payment"])
    done = {"transaction": "tx-1", "reason": "by hand"}
    told = written(
        *((0, begins("tx-1")), (1, stuck)),
        (2, e.DeadLetterResolved(operation="reserve_stock", **done)),
    )
    assert told.dead_letters == 1


def test_a_fault_that_never_struck_is_named():
    faults = ["payment:card_declined@2", "payment:gateway_down@1", "release_stock:error"]
    struck = e.FaultInjected(transaction="tx-1", operation="charge_payment", attempt=1, fault="gateway_down")
    told = written((0, begins("tx-1", faults=faults)), (1, struck), (2, reverts("tx-1")))
    assert told.never_struck == ["payment:card_declined@2", "release_stock:error"]
    assert told.faults == [Injected("charge_payment", "gateway_down", 1)]


def test_attempts_and_retries_are_counted_by_operation():
    market = Market([50])
    for number in range(1, 31):
        market.order(number, {"p0": 1}, faults=["charge_payment:gateway_down@1"])
    market.run()
    (charge,) = [each for each in market.live.measured().operations if each.name == "charge_payment"]
    assert (charge.count, charge.failed, charge.retries) == (60, 30, 30)


def test_of_nothing_all_is_0():
    told = Measures().measured()
    assert told.purchases == 0
    assert set(figures(told).values()) == {0}


def test_what_was_measured_can_be_kept_as_json():
    told = folded(busy(3, "none"))
    assert msgspec.json.decode(msgspec.json.encode(told), type=Measured) == told


@pytest.mark.parametrize("seed", range(4))
def test_runs_add_up(seed):
    runs = [folded(busy(seed * 3 + each, "none")) for each in range(3)]
    one, other = (merged(merged(*runs[:2]), runs[2]), merged(runs[0], merged(*runs[1:])))
    assert one == other
    assert one.runs == 3
    for name in ("purchases", "committed_minor", "phantom", "lost_units", "held_still_minor", "retries"):
        assert figures(one)[name] == sum(figures(each)[name] for each in runs)
    assert one.consistency.count == sum(each.consistency.count for each in runs)
    assert list(figures(one)) == list(figures(runs[0]))


def test_two_currencies_do_not_add_up():
    one = Measures().measured()
    with pytest.raises(ValueError, match="cannot be added up"):
        merged(one, msgspec.structs.replace(one, currency="EUR"))


def test_memory_does_not_grow_with_what_has_ended():
    """Ten times the purchases leave as much behind as one time, of a market in which much goes wrong."""

    def size(purchases: int) -> int:
        measures = Measures()
        market = Market([purchases // 2])
        market.driver = Driver(market.log, market.world, market.clock)
        for number in range(1, purchases + 1):
            market.order(number, {"p0": 1}, f"u{number % 9}", policy="none", faults=FAULTS[:2])
            market.driver.run()
        for event in market.log.events:
            measures.see(event)
        del market
        return len(
            pickle.dumps({name: vars(measures)[name] for name in ("_shelves", "_open", "_held", "_series")})
        )

    small, large = size(300), size(3_000)
    assert large < small * 1.3


def test_a_unit_makes_one_sale_be_lost_however_many_ask_for_it():
    told = written(
        *((0, begins("tx-1", "bob")), (1, takes("tx-1")), (5, abandons("tx-1"))),
        *((10, begins("tx-2")), (10, refused("tx-2")), (10, reverts("tx-2"))),
        *((40, begins("tx-3", "cyd")), (41, refused("tx-3")), (41, reverts("tx-3"))),
    )
    assert told.phantom.refusals == 2
    assert told.lost == Sales(1, 1, 1_000)


def test_a_transaction_that_never_ends_does_not_fill_the_memory(monkeypatch):
    """Many are turned away for one that holds the last unit: only so many wait for its end."""
    monkeypatch.setattr(shelves, "MARKS_MAX", 10)
    monkeypatch.setattr(wishes, "WISHES_MAX", 10)
    measures = Measures()
    opening = stock_moves("p", 1, "stock:supplier", "stock:available")
    events = [e.LedgerPosted(postings=opening), begins("tx-1", "bob"), takes("tx-1")]
    for number in range(2, 200):
        name = f"tx-{number}"
        events += [begins(name, f"u{number}"), refused(name), reverts(name)]
    events += [gives("tx-1"), reverts("tx-1")]
    for second, event in enumerate(events):
        event.time = stamp(START_US + second * 1_000_000)
        measures.see(event)
    assert len(pickle.dumps(measures._shelves)) < 10_000
    told = measures.measured()
    assert told.refused.count == 198
    assert 1 <= told.phantom.refusals <= 10


def test_what_a_strange_log_says_is_taken_as_it_is():
    strange = e.TransactionBegan(
        transaction="tx-1", saga="theirs", policy="foreign", request={"what": 1}, seed=1, faults=["no fault"]
    )
    struck = e.FaultInjected(transaction="tx-1", operation="theirs", attempt=1, fault="card_declined")
    told = written(
        *((0, e.CatalogChanged(source="x", products=[{"id": "q"}])), (0, strange), (1, struck)),
        *((1, refused("tx-1")), (2, refused("tx-9")), (2, commits("tx-9")), (3, reverts("tx-1"))),
    )
    assert told.outcomes["compensated"] == Tallied(1, 0)
    assert told.refused == Sales()
    assert told.never_struck == []
