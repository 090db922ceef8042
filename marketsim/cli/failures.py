"""`marketsim failures`: the reverts that wait for a person, and what a person does about them."""

from typing import TYPE_CHECKING, Annotated

import typer

from marketsim.audit.letters import DeadLetter, Left, dead_letters
from marketsim.audit.segments import read_events
from marketsim.cli import complete
from marketsim.cli.exits import Exit
from marketsim.cli.session import Session, command, group
from marketsim.market.directory import Market, check_market
from marketsim.market.ledger import AUTHORIZED, AVAILABLE, customer_account
from marketsim.market.money import CURRENCIES, format_minor
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import DeadLetterIgnored, DeadLetterResolved, Event

if TYPE_CHECKING:
    from marketsim.saga.definition import Saga
    from marketsim.saga.faults import FaultPlan

__all__ = ["failures_app"]

failures_app = group("failures", "Dead letters: the reverts that failed for good and wait for a person.")

_Transaction = Annotated[
    str,
    typer.Argument(
        help="The transaction, such as tx-1.", show_default=False, autocompletion=complete.transactions
    ),
]
_Operation = Annotated[
    str | None, typer.Option("--operation", help="Only the revert of this operation.", show_default=False)
]
_Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.", show_default=False)]


@command(failures_app, "list", example="marketsim failures list")
def list_failures(
    session: Session,
    every: Annotated[bool, typer.Option("--all", help="Those that are resolved or ignored, too.")] = False,
) -> int:
    """List the reverts that wait for a person; exit 4 while there are any."""
    letters = _letters(session)
    waiting = [letter for letter in letters if letter.state == "open"]
    shown = letters if every else waiting
    if session.json:
        session.emit({"failures": shown})
    elif shown and not session.quiet:
        from marketsim.cli.render.tables import show_table

        rows = [(each.transaction, each.operation, each.state, each.code, _left(each)) for each in shown]
        show_table(session.console(), ("transaction", "operation", "state", "why", "what is left"), rows)
        session.say(f"see: {session.hint('failures show TRANSACTION')}")
    else:
        session.say("nothing waits for a person")
    return Exit.STUCK if waiting else Exit.OK


@command(failures_app, "show", example="marketsim failures show tx-2")
def show_failure(session: Session, transaction: _Transaction) -> int:
    """Say what was reverted, what was not, and what a person must do, in money and units."""
    folder = _folder(session)
    letters = _of(dead_letters(read_events(folder)), transaction)
    own = [each for each in read_events(folder) if getattr(each, "transaction", "") == transaction]
    reverted = [
        str(getattr(each, "compensation", "")) for each in own if each.type == "compensation.succeeded"
    ]
    if session.json:
        session.emit({"transaction": transaction, "reverted": reverted, "failures": letters})
        return Exit.OK
    session.say(f"{transaction}: {_request(letters[0])}")
    session.say(f"  since       {letters[0].since}")
    session.say(f"  reverted    {', '.join(reverted) or 'nothing'}")
    for letter in letters:
        session.say(
            f"  {letter.state:<10}  {letter.compensation or 'no revert was tried'}, of {letter.operation}"
        )
        session.say(
            f"    tried     {_times(letter.attempts)}; the last said: {letter.code} {_why(letter)}".rstrip()
        )
        session.say(f"    is left   {_left(letter)}")
        if letter.state == "open":
            session.say(f"    to do     {_remedy(letter)}")
            session.say(f"    then      {session.hint(f'failures resolve {transaction}')} --reason '...'")
            if letter.code != "expired":
                session.say(f"    or        {session.hint(f'failures retry {transaction}')}")
        else:
            session.say(f"    because   {letter.closed_by}")
    return Exit.OK


@command(failures_app, "retry", example="marketsim failures retry tx-2", writes=True)
def retry(
    session: Session,
    transaction: _Transaction,
    operation: _Operation = None,
    fail: Annotated[
        list[str] | None,
        typer.Option(
            "--fail",
            metavar="FAULT",
            help="Inject a failure into it.",
            show_default=False,
            autocompletion=complete.faults,
        ),
    ] = None,
) -> int:
    """Try the reverts of a transaction again; they are idempotent."""
    from marketsim.drivers.live import live_driver
    from marketsim.drivers.recovery import try_again
    from marketsim.market.sagas import saga_of
    from marketsim.saga.events import TransactionBegan
    from marketsim.saga.policies import policy_of
    from marketsim.saga.tape import Tape

    with session.writing(whole=True) as market:
        chosen = _open_letters(market, transaction, operation)
        own = [each for each in _history(market) if getattr(each, "transaction", "") == transaction]
        began = own[0]
        assert isinstance(began, TransactionBegan)
        saga, added = saga_of(began), list[Event]()
        driver = live_driver(market.log, market.world, market.log.position.time, watch=added.append)
        names = [letter.operation for letter in chosen]
        plan = _plan(fail or [], saga)
        reason = "tried again by a person"
        try_again(driver, saga, policy_of(began), Tape(began.seed), own, names, reason, plan)
        driver.run()
        market.log.flush()
        _show_again(session, own, added)
        after = _of(dead_letters(_history(market)), transaction)
    return _tell(session, transaction, after)


@command(
    failures_app,
    "resolve",
    example="marketsim failures resolve tx-2 --reason 'refunded by hand'",
    writes=True,
)
def resolve(
    session: Session, transaction: _Transaction, reason: _Reason, operation: _Operation = None
) -> int:
    """Record that a person did what the revert could not, and what that was."""
    return _close(session, transaction, operation, reason, DeadLetterResolved)


@command(failures_app, "ignore", example="marketsim failures ignore tx-2 --reason 'written off'", writes=True)
def ignore(session: Session, transaction: _Transaction, reason: _Reason, operation: _Operation = None) -> int:
    """Record that it is left as it is, and why."""
    return _close(session, transaction, operation, reason, DeadLetterIgnored)


def _close(
    session: Session,
    transaction: str,
    operation: str | None,
    reason: str,
    kind: type[DeadLetterResolved | DeadLetterIgnored],
) -> int:
    if not reason.strip() or len(reason) > 500 or not reason.isprintable():
        raise InputError(
            "the reason is empty, too long, or cannot be printed",
            where="--reason",
            todo="say in a sentence what was done, and by whom",
        )
    with session.writing() as market:
        for letter in _open_letters(market, transaction, operation):
            event = kind(transaction=transaction, operation=letter.operation, reason=reason)
            event.time = max(_now(), market.log.position.time)
            market.log.append(event)
        market.log.flush()
        after = _of(dead_letters(_history(market)), transaction)
    return _tell(session, transaction, after)


def _tell(session: Session, transaction: str, letters: list[DeadLetter]) -> int:
    waiting = [letter for letter in letters if letter.state == "open"]
    if session.json:
        session.emit({"transaction": transaction, "failures": letters})
    for letter in letters:
        because = f" ({letter.closed_by})" if letter.closed_by else ""
        session.say(f"{transaction} {letter.operation}: {letter.state}{because}")
    return Exit.STUCK if waiting else Exit.OK


def _letters(session: Session) -> list[DeadLetter]:
    return dead_letters(read_events(_folder(session)))


def _folder(session: Session):  # type: ignore[no-untyped-def]
    check_market(session.market)
    return session.market / "audit"


def _history(market: Market) -> list[Event]:
    market.log.flush()
    return list(read_events(market.path / "audit"))


def _of(letters: list[DeadLetter], transaction: str) -> list[DeadLetter]:
    own = [letter for letter in letters if letter.transaction == transaction]
    if not own:
        known = {letter.transaction for letter in letters}
        raise InputError(f"{quoted(transaction)} has no dead letter", todo=nearest(transaction, known))
    return own


def _open_letters(market: Market, transaction: str, operation: str | None) -> list[DeadLetter]:
    own = _of(dead_letters(_history(market)), transaction)
    waiting = [letter for letter in own if letter.state == "open" and operation in (None, letter.operation)]
    if not waiting:
        if operation is not None and operation not in {letter.operation for letter in own}:
            todo = nearest(operation, {letter.operation for letter in own})
            raise InputError(f"{transaction} has no dead letter of {quoted(operation)}", todo=todo)
        raise InputError(
            f"nothing of {transaction} waits any more", todo="see: marketsim failures list --all"
        )
    return waiting


def _plan(fail: list[str], saga: "Saga") -> "FaultPlan":
    from marketsim.saga.faults import FaultPlan, parse_fault

    return FaultPlan(parse_fault(text, saga, where="--fail") for text in fail)


def _show_again(session: Session, before: list[Event], added: list[Event]) -> None:
    if session.silent:
        return
    from marketsim.cli.render.timeline import Timeline

    timeline = Timeline(session.out)
    timeline.take_in(before)
    timeline.show_all(added)


def _now() -> str:
    from marketsim.drivers.clock import now_us, stamp

    return stamp(now_us())


def _request(letter: DeadLetter) -> str:
    from marketsim.cli.render.theme import UNICODE
    from marketsim.cli.render.words import request_words

    return request_words(letter.request, UNICODE)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _why(letter: DeadLetter) -> str:
    return f"({letter.why})" if letter.why and letter.why != letter.code else ""


def _amount(left: Left) -> str:
    if left.money and left.unit in CURRENCIES:
        return format_minor(left.amount, left.unit)
    return f"{left.amount} {left.unit}"


def _left(letter: DeadLetter) -> str:
    parts = [f"{_amount(each)} in {each.account}" for each in letter.left]
    return ", ".join([*parts, *(f"{order} stands" for order in letter.orders)]) or "by the ledger nothing"


def _remedy(letter: DeadLetter) -> str:
    """What a person must do, by what the ledger shows."""
    customer = str(letter.request.get("customer", "the customer"))
    parts = [_to_do(each, customer) for each in letter.left]
    parts += [f"cancel {order}" for order in letter.orders]
    return "; ".join(parts) or "nothing stands by the ledger: look whether it is so, then resolve it"


def _to_do(left: Left, customer: str) -> str:
    amount = _amount(left)
    if left.account == AVAILABLE:
        return f"take {amount} off sale: more was put back than was taken"
    if left.account == customer_account(customer):
        return f"claim {amount} back from {customer}: more was given back than was taken"
    if left.account == AUTHORIZED:
        return f"let go of {amount} that is held for {customer}"
    return f"give {amount} back to {customer}" if left.money else f"put {amount} back on sale"
