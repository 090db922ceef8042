"""What `marketsim explore` was asked for: the case, the bound, and the command that asks again."""

import re
import shlex
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import msgspec

from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import JSONObject

if TYPE_CHECKING:
    from marketsim.explore.model import Bound, Case

__all__ = ["Asked", "Hands", "bound_of", "case_named", "hands_of"]

_NUMBERS_MAX = {"--faults": 9, "--crashes": 9, "--preemptions": 99, "--customers": 9}
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


class Asked(msgspec.Struct, frozen=True):
    """What is explored, as it was asked for on the command line; fields as the options are called."""

    what: str
    request: Sequence[str] = ()
    gateway: str = ""
    faults: int = 1
    crashes: int = 1
    customers: int | None = None
    preemptions: int = 1
    fault: Sequence[str] = ()
    target: Sequence[str] = ()
    no_reduction: bool = False
    runs_max: int = 0
    states_max: int = 1_000_000
    time_limit: str = ""
    keep_going: bool = False

    def command(self, policy: str = "", **more: object) -> str:
        """The command that asks for the same again, under this policy."""
        words = ["marketsim", "explore", self.what]
        given = {"policy": policy} | msgspec.structs.asdict(self) | more
        usual = Asked(self.what)
        for name, value in given.items():
            if name == "what" or (not value and name not in ("faults", "crashes", "preemptions")):
                continue
            if value == getattr(usual, name, None):
                continue
            option = f"--{name.replace('_', '-')}"
            if value is True:
                words.append(option)
            else:
                each = value if isinstance(value, list | tuple) else [value]
                words += [word for one in each for word in (option, str(one))]
        return shlex.join(words)


class Hands(msgspec.Struct, frozen=True):
    """Who explores: so many processes, of this program or of a Dask cluster."""

    processes: int
    cluster: str = ""


def case_named(asked: Asked, policy: str | None, requests: Sequence[JSONObject] = ()) -> "Case":
    """The case that is asked for; ``requests`` are those of a saga of somebody's own, if they are known.

    Raises InputError for what there is not.
    """
    from marketsim.explore.loading import is_place
    from marketsim.explore.marketplace import market_case, scenario_case
    from marketsim.market.gateway import DEFAULT_RULE, rule_named
    from marketsim.market.sagas import SAGAS
    from marketsim.scenario.shipped import SUFFIXES, find_scenarios, shipped

    what = asked.what
    if asked.gateway:
        rule_named(asked.gateway)
    if is_place(what) and not what.endswith(SUFFIXES):
        return _own_case(asked, policy, requests)
    if asked.request:
        raise InputError(f"{what} has requests of its own", where="--request", todo="leave it out")
    if what in SAGAS:
        return market_case(what, policy=policy or "default", gateway=asked.gateway or DEFAULT_RULE)
    if not what.endswith(SUFFIXES) and what not in shipped():
        known = nearest(what, [*SAGAS, *shipped()])
        raise InputError(f"no saga and no scenario is called {quoted(what)}", todo=known)
    files = find_scenarios(what)
    if len(files) != 1:
        raise InputError(f"{len(files)} scenarios are meant", where=what, todo="explore one at a time")
    return scenario_case(str(files[0]), policy=policy, gateway=asked.gateway or None)


def _own_case(asked: Asked, policy: str | None, known: Sequence[JSONObject]) -> "Case":
    from marketsim.explore.loading import load, own_case
    from marketsim.explore.model import Case
    from marketsim.saga.definition import Saga

    if asked.gateway:
        raise InputError("a saga of your own has no payment provider of ours", where="--gateway")
    named: object = load(asked.what, Case, Saga)
    if isinstance(named, Case):
        if asked.request:
            raise InputError("a Case has requests of its own", where="--request", todo="leave it out")
        return own_case(named, asked.what, [], policy)
    assert isinstance(named, Saga)
    if not named.operations:
        todo = f"declare one with @{named.name}.operation"
        raise InputError(f"{named.name} has no operations", where=asked.what, todo=todo)
    requests = list(known) or [_request(text) for text in asked.request]
    if not requests:
        todo = """write --request '{"nights": 2}', or name a Case"""
        raise InputError(f"{named.name} has to be asked for something", where="--request", todo=todo)
    customers = max(min(asked.customers or 2, _NUMBERS_MAX["--customers"]), len(requests))
    requests += requests[-1:] * (customers - len(requests))
    return own_case(named, asked.what, requests, policy)


def _request(text: str) -> JSONObject:
    try:
        return msgspec.json.decode(text, type=JSONObject)
    except (ValueError, RecursionError) as error:
        todo = """write an object, as in '{"nights": 2}'"""
        raise InputError(f"{quoted(text)}: {error}", where="--request", todo=todo) from error


def bound_of(asked: Asked, case: "Case") -> "Bound":
    """The bound that is asked for. Raises InputError for numbers and names that cannot be meant."""
    from marketsim.explore.model import Bound
    from marketsim.saga.taxonomy import FAULTS

    customers = min(2, len(case.requests)) if asked.customers is None else asked.customers
    numbers = (asked.faults, asked.crashes, asked.preemptions, customers)
    for (option, most), number in zip(_NUMBERS_MAX.items(), numbers, strict=True):
        least = 1 if option == "--customers" else 0
        if not least <= number <= most:
            raise InputError(f"{number} of them", where=option, todo=f"give {least} to {most}")
    if customers > len(case.requests):
        what = f"{asked.what} has {len(case.requests)}, not {customers}"
        raise InputError(what, where="--customers", todo="give fewer")
    for option, number, least in (("--runs-max", asked.runs_max, 0), ("--states-max", asked.states_max, 1)):
        if number < least:
            raise InputError(f"{number} of them", where=option, todo=f"give {least} or more")
    _check_names("--fault", "fault", asked.fault, FAULTS)
    _check_names("--target", "target", asked.target, {name for saga in case.sagas for name in saga.targets()})
    return Bound(
        faults=asked.faults,
        crashes=asked.crashes,
        preemptions=asked.preemptions,
        customers=customers,
        names=tuple(asked.fault),
        targets=tuple(asked.target),
        runs_max=asked.runs_max,
        seconds_max=_seconds(asked.time_limit),
        states_max=asked.states_max,
        reduction=not asked.no_reduction,
    )


def _seconds(text: str) -> float:
    """A time limit in seconds; 0 for none."""
    if not text:
        return 0
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(ms|s|m|h)", text, re.ASCII)
    seconds = float(found[1]) * _UNITS_S[found[2]] if found else 0
    if not seconds:
        todo = "write 500ms, 1.5s, 10m or 2h"
        raise InputError(f"{quoted(text)} is no time to work in", where="--time-limit", todo=todo)
    return seconds


def _check_names(option: str, kind: str, names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"no {kind} is called {quoted(name)}", where=option, todo=nearest(name, known))


def hands_of(on: str, workers: int | None) -> Hands:
    """Who is to explore. Raises InputError for a place where it cannot be done."""
    from marketsim.audit.stretches import cores
    from marketsim.simulate.fleet import check_place

    check_place(on, workers)
    cluster = "" if on in ("here", "processes") else on
    return Hands(1 if on == "here" else workers or cores(), cluster)
