"""`marketsim replay`: run what was recorded again, and say where it differs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from marketsim.cli import complete
from marketsim.cli.exits import Exit
from marketsim.cli.session import Session, command
from marketsim.drivers.replay import Difference, Replay
from marketsim.market.world import World
from marketsim.saga.errors import InputError, LogDamaged, nearest, quoted
from marketsim.saga.events import Event, TransactionBegan, decode, encode, leaf_hash

__all__ = ["replay_app"]

replay_app = typer.Typer(rich_markup_mode="rich", add_completion=False)


class _Part(msgspec.Struct, frozen=True):
    """A transaction to be replayed: the world as it began, and what was recorded from there on."""

    began: TransactionBegan
    world: World
    recorded: list[Event]


@command(replay_app, "replay", example="marketsim replay tx-1")
def replay(
    session: Session,
    target: Annotated[
        str,
        typer.Argument(
            autocompletion=complete.transactions,
            metavar="TRANSACTION|FILE",
            help="A transaction of the market, or an exported file.",
        ),
    ],
    transaction: Annotated[
        str | None, typer.Option("--transaction", help="This one of a file.", show_default=False)
    ] = None,
    step: Annotated[bool, typer.Option("--step", help="Wait for Enter after each event.")] = False,
    until: Annotated[
        int | None,
        typer.Option("--until", metavar="SEQ", help="Show the events up to this one.", show_default=False),
    ] = None,
) -> int:
    """Run a recorded transaction again and compare it, event by event, with what was recorded."""
    events, before, leaves = _recorded(session, target)
    wanted = transaction or (target if before is None else None)
    where = target if before is not None else str(session.market)
    if before == [] and events and events[0].seq != 1:
        raise InputError(
            "the file does not have what came before its first event",
            where=where,
            todo="export the whole log, or one transaction with --transaction",
        )
    try:
        parts = list(_parts(events, before or [], wanted))
        replays = [(part, _again(session, part, len(parts) == 1, step, until)) for part in parts]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"the events do not fit together ({type(error).__name__}: {error})"
        raise InputError(what, where=where, todo="export them again from the market") from None
    if not replays:
        known = [event.transaction for event in events if isinstance(event, TransactionBegan)]
        raise InputError(
            f"there is no transaction {quoted(wanted)}" if wanted else "no transaction begins in it",
            where=where,
            todo=nearest(wanted or "", known),
        )
    if before is not None and all(each.difference is None for _, each in replays):
        _check_chain(events, leaves, target)
    return _tell(session, replays)


def _recorded(session: Session, target: str) -> tuple[list[Event], list[Event] | None, dict[int, str]]:
    """The events to choose from, and for a file the history that came before them (None: a market).

    The last is the hash in the log of each event in which something was redacted, by its number.
    """
    from marketsim.audit.export import read_export
    from marketsim.audit.segments import read_events
    from marketsim.market.directory import check_market

    looks_like_file = "/" in target or target.endswith((".json", ".jsonl")) or Path(target).exists()
    if not looks_like_file:
        check_market(session.market)
        return list(read_events(session.market / "audit")), None, {}
    exported = read_export(Path(target))
    try:
        before = [decode(msgspec.json.encode(each)) for each in exported.header.get("before", [])]
        meanwhile = [decode(msgspec.json.encode(each)) for each in exported.header.get("meanwhile", [])]
    except (ValueError, TypeError) as error:
        raise InputError(f"what came before is damaged: {error}", where=target) from None
    return sorted([*exported.events, *meanwhile], key=lambda event: event.seq), before, exported.leaves


def _parts(events: Sequence[Event], before: Sequence[Event], wanted: str | None) -> Iterator[_Part]:
    """Each wanted transaction with the smallest world it can be run again in."""
    from marketsim.market.excerpt import history_before

    last = {str(getattr(event, "transaction", "")): index for index, event in enumerate(events)}
    world = World.of(before)
    for index, event in enumerate(events):
        if isinstance(event, TransactionBegan) and wanted in (None, event.transaction):
            own = World.of(history_before(world, event.request))
            yield _Part(event, own, list(events[index : last[event.transaction] + 1]))
        world.apply(event)


def _again(session: Session, part: _Part, alone: bool, step: bool, until: int | None) -> Replay:
    from marketsim.drivers.replay import replay as run_again
    from marketsim.market.sagas import saga_of
    from marketsim.saga.policies import policy_of

    watch: Callable[[Event], None] | None = None
    if alone and not session.silent:
        watch = _watcher(session, step, until)
    began = part.began
    return run_again(
        part.recorded,
        began.transaction,
        saga_of(began),
        policy_of(began),
        part.world,
        watch,
    )


def _watcher(session: Session, step: bool, until: int | None) -> Callable[[Event], None]:
    from marketsim.cli.render.timeline import Timeline

    timeline, stepping = Timeline(session.out), [True]

    def watch(event: Event) -> None:
        if until is None or event.seq <= until:
            timeline.show(event)
            if step and stepping:
                session.say(f"  -- {event.seq} {event.type}")
                try:
                    input()
                except EOFError:
                    stepping.clear()

    return watch


def _check_chain(events: Sequence[Event], leaves: Mapping[int, str], where: str) -> None:
    """Raise LogDamaged where two neighbours in a file do not belong together any more."""
    for one, other in pairwise(events):
        own = leaves.get(one.seq) or leaf_hash(encode(one))
        if other.seq == one.seq + 1 and other.prev != own:
            raise LogDamaged(
                f"event {one.seq} ({one.type}) was altered after it was recorded",
                where=where,
                todo="export it again from the market",
            )


def _tell(session: Session, replays: list[tuple[_Part, Replay]]) -> int:
    if session.json:
        session.emit({"replays": [_facts(part, each) for part, each in replays]})
    for part, each in replays:
        name = part.began.transaction
        if each.difference is not None:
            _show_difference(session, name, each.difference)
        elif each.complete:
            session.say(f"{name}: {len(each.compared)} events came again as they were recorded")
        else:
            session.say(f"{name}: {len(each.compared)} events came again; the record stops before its end")
            session.say("finish it with: marketsim recover, in its market")
    if any(each.difference is not None for _, each in replays):
        return Exit.NOT_REPRODUCIBLE
    return Exit.OK if all(each.complete for _, each in replays) else Exit.INCOMPLETE


def _facts(part: _Part, each: Replay) -> dict[str, Any]:
    return {
        "transaction": part.began.transaction,
        "same": each.difference is None,
        "complete": each.complete,
        "compared": len(each.compared),
        "difference": each.difference,
    }


def _show_difference(session: Session, name: str, difference: Difference) -> None:
    if session.silent:
        return
    from marketsim.cli.render.tables import show_table

    recorded, replayed = _fields(difference.recorded), _fields(difference.replayed)
    session.say(f"\n{name} takes another way at event {difference.seq}:")
    keys = [key for key in dict.fromkeys([*recorded, *replayed]) if recorded.get(key) != replayed.get(key)]
    rows = [(key, recorded.get(key, "-"), replayed.get(key, "-")) for key in ["type", *keys]]
    show_table(session.console(), ("field", "recorded", "replayed"), list(dict.fromkeys(rows)))


def _fields(event: Event | None) -> dict[str, str]:
    if event is None:
        return {"type": "nothing"}
    fields: dict[str, Any] = msgspec.json.decode(encode(event))
    for name in ("seq", "time", "prev"):
        fields.pop(name, None)
    return {
        key: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for key, value in fields.items()
    }
