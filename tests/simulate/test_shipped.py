"""The simulations that ship: each can be read, teaches something, and the same customers come every time."""

import re
from itertools import islice

import pytest

from marketsim.saga.tape import Tape
from marketsim.scenario.load import load_scenario
from marketsim.scenario.shipped import find_scenarios, shipped, shipped_simulations
from marketsim.simulate.load import load_simulation
from marketsim.simulate.workload import Crowd

NAMES = sorted(shipped_simulations())


def test_there_are_the_simulations_that_the_program_promises():
    assert {"flash-sale", "payment-outage"} <= set(NAMES)
    assert set(NAMES).isdisjoint(shipped())


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_simulation_is_found_and_read(name):
    path = shipped_simulations()[name]
    assert find_scenarios(name) == [path]
    made = load_simulation(path)
    scenario = load_scenario(path)
    assert made.name == scenario.name == name
    assert scenario.description
    assert scenario.expect


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_simulation_opens_with_a_comment_that_teaches(name):
    text = shipped_simulations()[name].read_text()
    comment = text.partition("scenario:")[0]
    assert all(line.startswith("# ") for line in comment.splitlines())
    assert 2 <= len(re.findall(r"[.?](?:\s|\Z)", comment.replace("#", ""))) <= 4
    assert "ook at" in comment
    assert all(len(line) <= 110 for line in text.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_customers_come_to_a_shipped_simulation_every_time(name):
    simulation = load_simulation(shipped_simulations()[name])
    first, second = (list(islice(Crowd(simulation, Tape(1)).arrivals(), 200)) for _ in range(2))
    assert len(first) == 200
    assert first == second
