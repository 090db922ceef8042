"""What must hold of every stream: the table of checks, and the examination that applies it in one pass."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from marketsim.audit import books, course, isolation, messages, reverts, timing, watches
from marketsim.audit.findings import Finding
from marketsim.audit.story import RECORD, Story
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import (
    ENDS,
    CompensationEvent,
    CompensationStarted,
    DeadLetterIgnored,
    DeadLetterResolved,
    EffectEvent,
    Event,
    FaultInjected,
    LedgerPosted,
    MarketCreated,
    NotificationSent,
    OperationLate,
    ProcessRecovered,
    TransactionAbandoned,
    TransactionBegan,
    TransactionCommitted,
    TransactionEvent,
    TransactionStuck,
)

__all__ = ["CHECKS", "FINDINGS_MAX", "Check", "Examination", "Tier", "checks_of", "examine"]

FINDINGS_MAX = 1000
"""How many findings of one rule and severity are listed; more are counted in one last finding."""

Tier: TypeAlias = Literal["basic", "strict"]
"""``basic``: the checks that every command makes; ``strict``: those of time and between transactions, too."""

StoryCheck: TypeAlias = Callable[[Story], Iterable[Finding]]


class Check(msgspec.Struct, frozen=True):
    """A rule that every stream keeps.

    ``function`` judges each transaction when it has ended (a stuck one, and one that is open, when the
    examination ends); ``watch`` makes what looks at the stream as a whole.
    """

    name: str
    sentence: str
    function: StoryCheck | None = None
    watch: Callable[[], watches.Watch] | None = None
    tier: Tier = "basic"

    @property
    def scope(self) -> Literal["transaction", "stream"]:
        """Whether one transaction is enough to judge by, or the whole stream is needed."""
        return "stream" if self.watch else "transaction"


CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        Check(
            "postings-balance",
            "Each ledger.posted sums to zero for each currency and product.",
            watch=watches.PostingsWatch,
        ),
        Check(
            "effects-have-a-cause",
            "Outside a transaction stock comes from the supplier, and nothing else takes effect.",
            watch=watches.CauseWatch,
        ),
        Check(
            "stock-conserved",
            "After its end a transaction holds no stock, and stock is never below zero.",
            books.stock_conserved,
            watches.StockWatch,
        ),
        Check(
            "money-conserved",
            "Money taken equals the orders that stand, and the merchant is never below zero.",
            books.money_conserved,
            watches.MoneyWatch,
        ),
        Check(
            "reverted-once",
            "What is reverted is undone exactly once, and never more than was done.",
            reverts.reverted_once,
        ),
        Check(
            "reverts-in-order",
            "Operations are reverted in the reverse order of their start.",
            reverts.reverts_in_order,
        ),
        Check(
            "revert-without-cause",
            "Only an operation that succeeded or may have landed is reverted, and only on the way back.",
            reverts.reverts_with_cause,
        ),
        Check(
            "one-order",
            "A committed purchase has exactly one standing order, any other has none.",
            books.one_order,
            watches.OrderWatch,
        ),
        Check(
            "belief-is-truth",
            "What the engine was told is what the ledger shows.",
            course.belief_is_truth,
        ),
        Check(
            "lifecycle",
            "A transaction begins once, outcomes and effects follow their intent, and nothing the end.",
            course.lifecycle,
        ),
        Check(
            "idempotency",
            "Every effect has a key, and under one key it happens at most once.",
            course.idempotency,
        ),
        Check(
            "dead-letters",
            "Every dead letter is resolved or ignored by a person.",
            reverts.dead_letters,
        ),
        Check(
            "time-runs-forward",
            "No event is earlier than the one before it.",
            watch=timing.TimeWatch,
            tier="strict",
        ),
        Check(
            "retries-as-declared",
            "Attempts are scheduled, wait, and are as many as the policy says; never after a hard failure.",
            timing.retries_as_declared,
            tier="strict",
        ),
        Check(
            "isolation",
            "Nobody reads what does not last, and no update is lost between transactions.",
            watch=isolation.IsolationWatch,
            tier="strict",
        ),
        Check(
            "faults-reached",
            "Every fault that was to be injected struck.",
            course.faults_reached,
            tier="strict",
        ),
        Check(
            "messages-called-back",
            "A customer who was told of what was reverted is told that it does not hold.",
            messages.messages_called_back,
            tier="strict",
        ),
    )
}
"""Every check by the name of its rule."""


def checks_of(tier: Tier) -> list[str]:
    """The names of the checks of a tier; the strict one has those of the basic one, too."""
    return [name for name, check in CHECKS.items() if tier == "strict" or check.tier == "basic"]


class Examination:
    """One pass over the events of a whole stream, from the first, in order.

    Memory is bounded by the transactions that are open or stuck, by totals, and by FINDINGS_MAX: of a
    transaction that has ended, its id and how it ended are kept. Raises InputError for a check that
    does not exist; ``names`` of None stands for those of the basic tier.
    """

    def __init__(self, names: Sequence[str] | None = None) -> None:
        chosen = [_check(name) for name in (checks_of("basic") if names is None else dict.fromkeys(names))]
        self._rules = frozenset(check.name for check in chosen)
        self._functions = [check.function for check in chosen if check.function]
        self._watches = [check.watch() for check in chosen if check.watch]
        self._saw = [each.saw for each in self._watches if type(each).saw is not watches.Watch.saw]
        self._stories: dict[str, Story] = {}
        self._ended: dict[str, type[Event]] = {}
        self._found: list[Finding] = []
        self._counts: dict[tuple[str, str], int] = {}
        self._unlisted: dict[tuple[str, str], Finding] = {}
        self._summed_up = self._created = False

    def see(self, event: Event) -> None:
        """Take in the next event."""
        kind = type(event)
        for saw in self._saw:
            self._keep(saw(event))
        if isinstance(event, LedgerPosted):
            for watch in self._watches:
                self._keep(watch.posted(event))
        record = RECORD.get(kind)
        if record is None or not isinstance(event, TransactionEvent) or not event.transaction:
            self._see_untied(event)
            return
        ended = self._ended.get(event.transaction)
        if ended and (kind is OperationLate or (kind is NotificationSent and ended is TransactionCommitted)):
            return  # The truth, or a message that hung, may come when all is over: it changes nothing.
        story = self._stories.get(event.transaction) or self._begin(event)
        if story is None or (story.end is not None and not _may_follow(story, event)):
            self._too_late(event)
            return
        record(story, event)
        if kind in ENDS:
            self._close(story, kind)

    def take_in(self, before: Iterable[Event]) -> None:
        """Take in an excerpt of the history, which sums up what had its cause before it."""
        self._summed_up = True
        for event in before:
            self.see(event)
        self._summed_up = False

    def _see_untied(self, event: Event) -> None:
        """Look at an event that belongs to no transaction."""
        if isinstance(event, EffectEvent) and not self._summed_up:
            for watch in self._watches:
                self._keep(watch.untied(event))
        elif isinstance(event, MarketCreated) and "lifecycle" in self._rules:
            self._keep([course.after_the_end(event)] if self._created else [])
            self._created = True

    def finish(self) -> list[Finding]:
        """All findings by ``seq``, those on stuck and open transactions among them; no event may follow."""
        for story in self._stories.values():
            self._judge(story)
        for watch in self._watches:
            self._keep(watch.finish())
        self._stories.clear()
        self._watches.clear()
        more = [self._and_more(*which) for which in self._unlisted]
        return sorted([*self._found, *more], key=lambda finding: finding.seq)

    def _begin(self, event: TransactionEvent) -> Story | None:
        """The story of a transaction that is heard of for the first time; none for one that has ended."""
        if event.transaction in self._ended:
            return None
        story = self._stories[event.transaction] = Story(event.transaction)
        if not isinstance(event, TransactionBegan):
            story.slips.append((event, "the transaction had not begun"))
        return story

    def _close(self, story: Story, kind: type[Event]) -> None:
        for watch in self._watches:
            watch.ended(story)
            self._keep(watch.closed(story.end) if story.end is not None else ())
        # What waits for a person is judged at the very end: it may be dealt with long after.
        if kind is not TransactionStuck and kind is not TransactionAbandoned:
            self._judge(story)
            self._ended[story.transaction] = kind
            del self._stories[story.transaction]

    def _judge(self, story: Story) -> None:
        for function in self._functions:
            self._keep(function(story))

    def _too_late(self, event: TransactionEvent) -> None:
        if "lifecycle" in self._rules:
            self._keep([course.after_the_end(event)])
        committed = self._ended.get(event.transaction) is TransactionCommitted
        if committed and isinstance(event, CompensationStarted) and "revert-without-cause" in self._rules:
            self._keep([reverts.causeless(event, "the transaction had committed")])

    def _keep(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            which = (finding.rule, finding.severity)
            count = self._counts[which] = self._counts.get(which, 0) + 1
            if count <= FINDINGS_MAX:
                self._found.append(finding)
            else:
                self._unlisted.setdefault(which, finding)

    def _and_more(self, rule: str, severity: str) -> Finding:
        more = self._counts[rule, severity] - FINDINGS_MAX
        first = self._unlisted[rule, severity]
        message = f"and {more} more of this rule that are not listed, one of them here"
        return Finding(rule, severity, message, seq=first.seq, transaction=first.transaction)


def _check(name: str) -> Check:
    if name not in CHECKS:
        raise InputError(f"there is no check {quoted(name)}", todo=nearest(name, CHECKS))
    return CHECKS[name]


def _may_follow(story: Story, event: TransactionEvent) -> bool:
    """Whether this may follow an end that left something: a dead letter is dealt with or tried again."""
    if isinstance(event, DeadLetterResolved | DeadLetterIgnored | ProcessRecovered | OperationLate):
        return True
    if isinstance(event, CompensationEvent):
        return event.operation in story.letters
    if isinstance(event, EffectEvent | FaultInjected):
        # Of what waits for a person more may land; how much is left then shows there.
        return event.operation in story.letters and event.operation not in story.closed
    return False


def examine(
    events: Iterable[Event], names: Sequence[str] | None = None, *, before: Iterable[Event] = ()
) -> list[Finding]:
    """All findings against a whole stream, by ``seq``; raises InputError for an unknown check.

    ``before`` is an excerpt of the history, where ``events`` are a part of a stream only.
    """
    examination = Examination(names)
    examination.take_in(before)
    for event in events:
        examination.see(event)
    return examination.finish()
