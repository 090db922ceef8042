"""What a stream tells of the business: against a slow and plain computation, and by hand for each figure."""

import random

import pytest
from simulate.measuring import Market, Slow, folded

from marketsim.saga import events as e
from marketsim.simulate.measured import Measured

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
