"""Write the page of the faults: how each ends at each place, and what the rules of other engines leave.

python docs/make_faults.py              writes docs/faults.md
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from textwrap import fill

from matrix import AFTERWARDS, CELLS, REQUESTS, START_US, VERDICTS, Cell, Ended, Verdict, ends_of, new_world

from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock
from marketsim.drivers.recovery import fault_plan
from marketsim.drivers.virtual import Driver
from marketsim.market.gateway import RULES
from marketsim.market.ledger import MERCHANT
from marketsim.market.purchase import purchase
from marketsim.saga.events import TransactionBegan
from marketsim.saga.policies import POLICIES, policy_named
from marketsim.saga.tape import Tape
from marketsim.saga.taxonomy import FAULTS

__all__ = ["charges_standing", "page"]

_WORDS = {"stuck": "dead letter", "abandoned": "dead letter"}
_ROLES = {"action": "operation", "revert": "revert", "probe": "probe"}
_CHARGE_MINOR = 150_000

_OPENING = """\
# Every fault, at every place

Written by `python docs/make_faults.py`; each line is what came of real runs.

A *cell* is one fault at one place: an operation of `purchase` or `checkout`, its revert, or the probe
that asks what came of it. There are {cells} of them, of {faults} faults. Each is run with the fault at
every attempt, and with the fault at the first attempt only. An operation runs both once more with
another one that fails for good: whatever was done is then to be reverted. A revert is struck on the
way back from such a failure, and a probe when no answer came. That makes {runs} runs under each
policy, each of 2 laptops (with 3 mice in a checkout) for one customer, who pays through a gateway
with the rules of `stripe`.

A run ends in one of four ways, and a cell is as bad as the worst of its runs:

- **balanced**: it is committed or compensated, and no check of the audit finds an error;
- **dead letter**: something is left that could not be reverted, and a person has been told how much;
- **broken**: a check finds an error: the books are wrong, or were made right by luck;
- **not reached**: nothing was asked of that place. Only `default` asks probes, and some rules revert
  little.
"""

_CHARGES = """\
## How many charges stand

The charge lands, and its answer is lost, at the first attempt only; after it all goes well. How many
charges stand at the end, under the provider's rules for idempotency keys (`gateway:` in a scenario)?
One is right. None is right too, if the purchase was reverted.
"""


def page() -> str:
    """The page, from runs that are made now."""
    runs = sum(map(len, ends_of("default").values()))
    parts = [
        _OPENING.format(cells=len(CELLS), faults=len(FAULTS), runs=f"{runs:,}"),
        _summary(),
        _charges(),
        _default(),
        *(_other(name) for name in POLICIES if name != "default"),
    ]
    return "\n".join(parts)


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(map(str, head)), *(list(map(str, row)) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _worst(ends: list[Ended]) -> Verdict:
    return min((each.verdict for each in ends), key=VERDICTS.index)


def _summary() -> str:
    rows = []
    for name in POLICIES:
        counts = Counter(map(_worst, ends_of(name).values()))
        rows.append((f"`{name}`", *(counts[verdict] for verdict in reversed(_COLUMNS))))
    return "Cells under each policy:\n\n" + _table(("policy", *reversed(_COLUMNS)), rows)


_COLUMNS: tuple[Verdict, ...] = ("not reached", "broken", "dead letter", "balanced")


# The charges.


@cache
def charges_standing(rule: str, policy: str) -> int:
    """How many charges the merchant has kept when the first answer was lost."""
    world, _ = new_world()
    began = TransactionBegan(
        transaction="tx-1",
        saga="purchase",
        policy=policy,
        request=REQUESTS["purchase"],
        seed=0,
        faults=["charge_payment:timeout_after@1"],
        services={"payment": rule},
    )
    driver = Driver(MemoryLog(), world, Clock(START_US))
    driver.begin(purchase, policy_named(policy), Tape(0), began, fault_plan(began, purchase))
    driver.run()
    charges, rest_minor = divmod(world.balances[MERCHANT, "USD"], _CHARGE_MINOR)
    assert not rest_minor, "half a charge"
    return charges


def _charges() -> str:
    rows = [(f"`{policy}`", *(charges_standing(rule, policy) for rule in RULES)) for policy in POLICIES]
    return _CHARGES + "\n" + _table(("policy", *(f"`{rule}`" for rule in RULES)), rows)


# Under the default policy.


def _default() -> str:
    groups: dict[str, list[str]] = defaultdict(list)
    for fault in FAULTS.values():
        groups[fault.group].append(fault.name)
    counts = Counter(cell.fault for cell in CELLS)
    parts = ["## Under `default`\n\n" + _sentence("default")]
    head = (
        "fault",
        "where it strikes",
        "at every attempt",
        "at the first only",
        "then another fails",
        "cells",
    )
    for group, names in groups.items():
        number = sum(counts[name] for name in names)
        parts.append(f"### {group[0].upper()}{group[1:]}: {number} cells\n")
        parts.append(_table(head, [row for name in names for row in _rows(name)]))
    return "\n".join(parts)


def _sentence(policy: str) -> str:
    return fill(POLICIES[policy].sentence, 105) + "\n"


def _rows(fault: str) -> Iterator[tuple[object, ...]]:
    """The places that a fault can strike, those together at which it ends alike."""
    alike: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
    for cell, ends in ends_of("default").items():
        if cell.fault == fault:
            alike[_columns(cell, ends)].append(cell)
    for columns, cells in alike.items():
        yield f"`{fault}`", _places(cells), *columns, len(cells)


def _columns(cell: Cell, ends: list[Ended]) -> tuple[str, str, str]:
    words = [_WORDS.get(each.end, each.end) for each in ends]
    every, first = words[: len(words) // 2], words[len(words) // 2 :]
    if cell.role != "action" or len(every) == 1:
        return _either(every), _either(first), "-"
    # What is itself the one that fails has no other after it.
    then = AFTERWARDS[cell.saga].startswith(f"{cell.operation}:")
    return every[0], first[0], "-" if then else _either([every[1], first[1]])


def _either(words: list[str]) -> str:
    return " or ".join(dict.fromkeys(words))


def _places(cells: list[Cell]) -> str:
    """The names of these places; all that there are in a role go by its name."""
    parts = []
    for role, word in _ROLES.items():
        places = {(cell.family, cell.saga): cell.family for cell in cells if cell.role == role}
        if places.keys() == _PLACES[role]:
            parts.append(f"every {word}")
        else:
            parts += [_place(family, places, role) for family in dict.fromkeys(places.values())]
    return ", ".join(parts)


def _place(family: str, among: Collection[tuple[str, str]], role: str) -> str:
    """A name, with its saga if the other one has the same, and is not meant."""
    sagas = [saga for name, saga in among if name == family]
    known = [saga for name, saga in _PLACES[role] if name == family]
    return f"`{family}`" if len(sagas) == len(known) else f"`{family}` of {sagas[0]}"


_PLACES = {role: {(cell.family, cell.saga) for cell in CELLS if cell.role == role} for role in _ROLES}


# Under the rules of others.


def _other(policy: str) -> str:
    counts = Counter(map(_worst, ends_of(policy).values()))
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in reversed(_COLUMNS))
    costs = "".join(f"- {cost}\n" for cost in POLICIES[policy].costs)
    head = ("checks that find errors", "where it strikes", "faults", "cells")
    return f"## Under `{policy}`: {told}\n\n{_sentence(policy)}\n{costs}\n" + _table(head, _broken(policy))


def _broken(policy: str) -> Iterator[tuple[object, ...]]:
    """What breaks which checks: the faults together that do so at the same places."""
    cells: dict[tuple[str, tuple[str, ...]], list[Cell]] = defaultdict(list)
    for cell, ends in ends_of(policy).items():
        rules = tuple(sorted({rule for each in ends for rule in each.broken}))
        if rules:
            cells[cell.fault, rules].append(cell)
    alike: dict[tuple[tuple[str, ...], str], list[tuple[str, int]]] = defaultdict(list)
    for (fault, rules), struck in cells.items():
        alike[rules, _places(struck)].append((fault, len(struck)))
    for (rules, places), faults in sorted(alike.items()):
        names = ", ".join(f"`{fault}`" for fault, _ in faults)
        yield ", ".join(rules), places, names, sum(number for _, number in faults)


if __name__ == "__main__":
    target = Path(__file__).with_name("faults.md")
    target.write_text(page(), encoding="utf-8")
    print(f"wrote {target.name}")
