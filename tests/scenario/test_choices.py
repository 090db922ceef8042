"""A scenario that says who moves next runs as an exploration did: nothing in it is left to chance."""

import msgspec
import pytest

from marketsim.explore.marketplace import market_case
from marketsim.explore.run import replayed
from marketsim.saga.errors import InputError
from marketsim.saga.events import Event, encode
from marketsim.scenario.load import load_scenario
from marketsim.scenario.run import run_scenario

SWITCH = {"tx-1/check_availability@1/turn": 1}
FAULTS = [["charge_payment:timeout_after@1"], ["release_stock:crash_after_effect@1"]]


def scenario(tmp_path, choices: dict[str, int] | None, faults: list[list[str]] = FAULTS, seed: int = 0):
    """Two customers who want the same, in the shop of an exploration."""
    document = {
        "scenario": "turns",
        "seed": seed,
        "catalog": {
            "products": [{"id": "laptop-1", "name": "Laptop", "price": 750, "inStock": 3}],
            "users": [{"id": f"user-{number}", "name": "Ada"} for number in (1, 2)],
        },
        "purchases": [
            {"product": "laptop-1", "quantity": 2, "customer": f"user-{number}", "faults": each, "at": "0s"}
            for number, each in enumerate(faults, 1)
        ],
        "expect": [{"checks": "all"}],
    }
    file = tmp_path / "turns.yaml"
    file.write_bytes(msgspec.json.encode(document | ({} if choices is None else {"choices": choices})))
    return load_scenario(file)


def told(events: list[Event]) -> list[bytes]:
    """What happened, but for the numbers of the events, and the faults that were announced."""
    own = [event for event in events if getattr(event, "transaction", "")]
    return [
        encode(msgspec.structs.replace(event, seq=0)) for event in own if event.type != "transaction.began"
    ]


@pytest.mark.parametrize("choices", [{}, SWITCH])
def test_a_scenario_runs_as_the_exploration_did(tmp_path, choices):
    made = run_scenario(scenario(tmp_path, choices))
    explored = replayed(market_case("purchase"), FAULTS, choices)
    assert told(made.events) == told(explored.events)


def test_whoever_says_who_moves_next_leaves_nothing_to_chance(tmp_path):
    one, other = (run_scenario(scenario(tmp_path, {}, seed=seed)) for seed in (1, 2))
    seeded = run_scenario(scenario(tmp_path, None, seed=1))
    assert told(one.events) == told(other.events) != told(seeded.events)


def test_the_choices_decide_who_gets_the_last_unit(tmp_path):
    bought = []
    for choices in ({}, SWITCH):
        made = run_scenario(scenario(tmp_path, choices, [[], []]))
        bought.append([event.transaction for event in made.events if event.type == "order.placed"])
    assert bought == [["tx-1"], ["tx-2"]]


def test_a_choice_is_a_number(tmp_path):
    with pytest.raises(InputError, match="expected an integer"):
        scenario(tmp_path, {"tx-1/turn": "first"})  # type: ignore[dict-item]
