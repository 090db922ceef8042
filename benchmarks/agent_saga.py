"""The nearest peer side by side: what agent-saga's prover and marketsim say of one saga with a lost answer.

python -m benchmarks.agent_saga                     agent-saga goes into a temporary environment
python -m benchmarks.agent_saga --python PYTHON     it is there already, for this interpreter
python -m benchmarks.agent_saga --ours              marketsim's half alone
"""

import argparse
import json
import subprocess
import sys
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from marketsim.audit.letters import dead_letters
from marketsim.drivers.books import Books, give_back, take
from marketsim.explore.model import Bound, Case, Exploration, case_of
from marketsim.explore.run import replayed
from marketsim.explore.search import explore
from marketsim.saga import Call, Posting, Retry, Saga
from marketsim.saga.events import Event, LedgerPosted

VERSION = "2.3.11"
PRICE_MINOR = 7500
BOUNDS = {
    "a call that fails before its effect, or is not answered after it": Bound(
        faults=1, crashes=0, customers=1, names=("error", "timeout_after")
    ),
    "every fault at every call, and a process that dies": Bound(faults=1, crashes=1, customers=1),
}
LOST = "charge:timeout_after@1"
WAYS = {
    "answer": "The refund takes the id of the charge from the answer.",
    "order": "The refund takes it from the order, which is known before.",
}

_THEIRS = Path(__file__).with_name("agent_saga_theirs.py")


def main(arguments: list[str]) -> int:
    """Ask both, and print what they say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agent_saga", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--python", help="an interpreter that has agent-saga")
    parser.add_argument("--version", default=VERSION, help=f"of agent-saga ({VERSION})")
    parser.add_argument("--ours", action="store_true", help="marketsim's half alone")
    wanted = parser.parse_args(arguments)
    theirs = None if wanted.ours else said_by_theirs(wanted.python, wanted.version)
    print("A book is reserved and the card charged. The charge lands, and its answer is lost.")
    for way, sentence in WAYS.items():
        print(f"\n{sentence}\n")
        print("\n\n".join([*([_theirs_text(theirs, way)] if theirs else []), said_by_ours(way)]))
    if theirs:
        beyond = theirs["beyond"]
        print(
            f"\nSixty-five steps, the last of which is never undone: agent-saga looked at {beyond['steps']}."
        )
        print(f"  proven: {beyond['proven']}")
    return 0


# Theirs: in an environment of its own.


def said_by_theirs(python: str | None, version: str) -> dict[str, Any]:
    """What agent-saga says of each way to refund; it is installed if no interpreter is given."""
    if python is not None:
        return _run(python)
    with TemporaryDirectory(prefix="agent-saga-") as folder:
        venv.create(folder, with_pip=True)
        made = str(Path(folder) / "bin" / "python")
        subprocess.run([made, "-m", "pip", "install", "-q", f"agent-saga=={version}"], check=True)
        return _run(made)


def _run(python: str) -> dict[str, Any]:
    # Isolated (-I): beside this file, which has their package's name, they would import it.
    done = subprocess.run([python, "-I", str(_THEIRS)], check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _theirs_text(theirs: dict[str, Any], way: str) -> str:
    told = theirs[way]
    left = ", ".join(f"{name} {amount}" for name, amount in told["world"].items())
    lines = [
        f"agent-saga {theirs['version']}, prove_rollback:",
        *told["text"].splitlines(),
        "agent-saga, the same saga when the answer does not come in time:",
        f"  {told['report']}",
        f"  in the world: {left}",
    ]
    return "\n".join(lines)


# Ours: the same saga.


def shop() -> tuple[Books, list[Event]]:
    """Five books on the shelf, and nothing in the till."""
    books, opening = Books(), LedgerPosted(postings=_books(5, "stock:supplier", "stock:available"))
    books.apply(opening)
    return books, [opening]


def _books(quantity: int, source: str, target: str) -> list[Posting]:
    return [
        Posting(source, product="book", quantity=-quantity),
        Posting(target, product="book", quantity=quantity),
    ]


def _money(source: str, target: str) -> list[Posting]:
    return [
        Posting(source, amount_minor=-PRICE_MINOR, currency="USD"),
        Posting(target, amount_minor=PRICE_MINOR, currency="USD"),
    ]


def buy(way: str) -> Saga:
    """The saga, with one way to refund or the other."""
    saga = Saga("buy", "A book is reserved, and the card charged.")

    @saga.operation(service="stockroom")
    def reserve_stock(call: Call) -> dict[str, Any]:
        """Take a book off the shelf."""
        take(call, _books(1, "stock:available", "stock:sold"))
        return {"reservation": "r-1"}

    @reserve_stock.compensation
    def release_stock(call: Call) -> dict[str, Any]:
        """Put it back."""
        return give_back(call)

    @saga.operation(service="bank", retry=Retry(attempts_max=1))
    def charge(call: Call) -> dict[str, Any]:
        """Take the money."""
        take(call, _money("money:customer", "money:merchant"))
        return {"id": f"ch-{call.key}"}

    @charge.compensation
    def refund(call: Call) -> dict[str, Any]:
        """Give the money of the charge back."""
        if way == "answer":
            return _refund(call, call.result["id"])  # type: ignore[index]
        return _refund(call, f"ch-{call.action_key}")

    return saga


def _refund(call: Call, charge_id: str) -> dict[str, Any]:
    return give_back(call) | {"refunded": charge_id}


def case(way: str) -> Case:
    """The saga in a shop that has just opened."""
    return case_of(buy(way), {}, opening=shop)


def said_by_ours(way: str) -> str:
    """What marketsim says of one way to refund, and what is left of the same timeout."""
    lines = []
    for tried, bound in BOUNDS.items():
        came = explore(case(way), bound)
        lines += [f"marketsim explore, {tried}:", *_explored_text(came)]
        if not came.passed:
            break
    left = replayed(case(way), [[LOST]])
    lines += [f"marketsim, the same saga with {LOST}:", f"  in the world: {_world(left.events)}"]
    lines += [
        f"  waits for a person: {each.compensation} failed {each.attempts} times ({each.why})"
        for each in dead_letters(left.events)
        if each.state == "open"
    ]
    return "\n".join(lines)


def _explored_text(came: Exploration) -> Iterator[str]:
    if came.passed:
        yield f"  exhausted: {came.runs} runs, nothing found"
    for found in came.counterexamples:
        yield f"  found, with {', '.join(found.faults[0])}:"
        yield from (f"    {each.rule}: {each.message}" for each in found.findings)


def _world(events: Iterable[Event]) -> str:
    books = Books()
    for event in events:
        books.apply(event)
    shelf, till_minor = books.balance("stock:available", "book"), books.balance("money:merchant", "USD")
    return f"shelf {shelf}, till_minor {till_minor}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
