"""Recovery: whatever kills the process and whenever, another one finishes what it left, once."""

import pytest
from drivers.runs import (
    errors,
    kill_points,
    purchased,
    replayed,
)

RUNS = {
    "all is well": (),
    "declined": ("payment:card_declined",),
    "declined once": ("payment:insufficient_funds@1",),
    "the answer is lost": ("payment:timeout_after",),
    "the request is lost once": ("charge_payment:timeout_before@1",),
    "the order fails": ("place_order:error", "refund_payment:timeout_after@1-2"),
    "the order lands unseen": ("place_order:timeout_after", "cancel_order:error@1"),
    "a revert fails": ("place_order:timeout_after", "refund_payment:error"),
    "a branch fails": ("estimate_delivery:error@1-2", "reserve_stock:connection_reset@1"),
    "nobody answers": ("notifications:unreachable",),
}


@pytest.mark.parametrize("faults", RUNS.values(), ids=RUNS)
def test_a_process_killed_at_any_event_leaves_a_run_that_another_one_finishes(faults):
    whole = purchased(*faults)
    assert errors(whole.log.events) == []
    for death in kill_points(whole.log.events):
        market = purchased(*faults, deaths=[death])
        assert errors(market.log.events) == [], death
        assert market.types[-1] == whole.types[-1], death
        assert market.world.balances == whole.world.balances, death
        again = replayed(market.log.events)
        assert (again.difference, again.complete) == (None, True), death
