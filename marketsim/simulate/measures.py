"""What a stream tells in terms of the business: a fold over its events, cheap enough for each of them."""

from collections.abc import Iterable
from typing import Any

from msgspec import ValidationError

from marketsim.audit.quantiles import Histogram
from marketsim.audit.stats import NAMES_MAX, Durations, Handler, Open, Stats, moments
from marketsim.audit.story import moved
from marketsim.market.ledger import AVAILABLE
from marketsim.market.requests import Line, lines_of
from marketsim.market.sagas import saga_of
from marketsim.saga import events as e
from marketsim.saga.errors import InputError
from marketsim.saga.faults import FaultRule, explains, parse_fault
from marketsim.simulate.held import TAKEN, HeldMoney
from marketsim.simulate.measured import OUTCOMES, Injected, Measured, Tallied
from marketsim.simulate.series import Series
from marketsim.simulate.shelves import Phantom, Shelf, Tally
from marketsim.simulate.wishes import Sales

__all__ = ["Measures"]

OTHERS = "(others)"
OUT_OF_STOCK = "out_of_stock"


class _Purchase(Open):
    """What else is known of one: its moves of stock and money, and its reverts."""

    __slots__ = (
        *("_lines", "first_us", "posted", "refused", "reverted_us", "shelves"),
        *("sold_minor", "taken_minor", "takings"),
    )

    def __init__(self, began: e.TransactionBegan, began_us: int) -> None:
        super().__init__(began, began_us)
        self.first_us = self.reverted_us = self.sold_minor = self.taken_minor = 0
        self.posted: list[e.LedgerPosted] = []
        self.takings: list[tuple[int, int]] = []
        self.shelves: list[Shelf] = []
        self.refused = False
        self._lines: list[Line] | None = None

    def take(self, minor: int, now_us: int) -> None:
        """Money is taken, or (below 0) given back."""
        self.takings.append((now_us, minor))
        self.taken_minor += minor

    @property
    def customer(self) -> str:
        """Who asks; empty where the request does not say."""
        return str(self.began.request.get("customer", ""))

    @property
    def lines(self) -> list[Line]:
        """What is asked for; none where the request cannot be read."""
        if self._lines is None:
            try:
                self._lines = lines_of(self.began.request)
            except ValidationError:
                self._lines = []
        return self._lines


class Measures:
    """Takes in a stream; :meth:`measured` tells what it came to so far.

    Memory is bounded by what is open at once, by the products, and by the names there are; by nothing
    that has ended. A customer counts as refused at the first answer ``out_of_stock`` of a transaction.
    """

    def __init__(self) -> None:
        self._stats = Stats(_Purchase)
        self._open: dict[str, _Purchase] = self._stats.open
        self._shelves: dict[str, Shelf] = {}
        self._tally, self._held = Tally(), HeldMoney()
        self._consistency = Histogram()
        self._outcomes = {name: [0, 0] for name in OUTCOMES}
        self._faults: dict[tuple[str, str], int] = {}
        self._never: dict[str, FaultRule | None] = {}
        self._refused = Sales()
        self._series = Series(("sold", "refused", "failed"))
        self._letters = self._events = self._first_us = self._now_us = 0
        self._currency = ""
        self._moment_us = moments()
        self._wanted = self._wants()

    def see(self, event: e.Event) -> None:
        """Take in the next event."""
        self.see_all((event,))

    def see_all(self, events: Iterable[e.Event]) -> None:
        """Take in the next events: a few hundred at once cost half of what they do one by one."""
        wanted, time, now_us = self._wanted.get, "", 0
        for event in events:
            take = wanted(type(event))
            if take is not None:
                if event.time != time:  # What happens at one moment stands together.
                    time, now_us = event.time, self._moment_us(event.time)
                take(event, now_us)

    def _wants(self) -> dict[type[e.Event], Handler]:
        own: dict[type[e.Event], Handler] = dict.fromkeys(e.ENDS, self._ended)
        own |= {
            e.MarketCreated: self._created,
            e.CatalogChanged: self._changed,
            e.TransactionBegan: self._begin,
            e.LedgerPosted: self._posted,
            e.OrderPlaced: self._placed,
            e.OperationFailed: self._failed,
            e.CompensationSucceeded: self._reverted,
            e.FaultInjected: self._struck,
            e.DeadLetterResolved: self._closed,
            e.DeadLetterIgnored: self._closed,
        }
        others = self._stats.wants
        return {
            kind: _one_after_another(own[kind], others[kind])
            if kind in others and kind in own
            else others.get(kind) or own[kind]
            for kind in others | own
        }

    # What happens.

    def _created(self, event: e.MarketCreated, now_us: int) -> None:
        self._currency = event.currency

    def _changed(self, event: e.CatalogChanged, now_us: int) -> None:
        for record in event.products:
            self._shelf(record["id"]).price_minor = record.get("price_minor", 0)

    def _begin(self, event: e.TransactionBegan, now_us: int) -> None:
        self._first_us = self._first_us or now_us
        self._now_us = now_us
        for text in event.faults:
            if text not in self._never and len(self._never) < NAMES_MAX:
                self._never[text] = _rule(text, event)

    def _posted(self, event: e.LedgerPosted, now_us: int) -> None:
        self._now_us = now_us
        transaction = event.transaction
        purchase = self._open.get(transaction)
        if purchase is None:
            self._posted_outside(event, now_us)
            return
        purchase.posted.append(event)
        if not purchase.first_us and not event.compensation:
            purchase.first_us = now_us
        for line in event.postings:
            if line.account == AVAILABLE:
                shelf = self._shelves.get(line.product) or self._shelf(line.product)
                if shelf not in purchase.shelves:
                    purchase.shelves.append(shelf)
                shelf.move(transaction, -line.quantity, now_us)
            elif line.account in TAKEN:
                purchase.take(line.amount_minor, now_us)

    def _posted_outside(self, event: e.LedgerPosted, now_us: int) -> None:
        """The market's own moves, and what reaches a transaction that has ended."""
        for line in event.postings:
            if line.account == AVAILABLE:
                shelf = self._shelf(line.product)
                shelf.move("", -line.quantity, now_us)
                if event.transaction:
                    shelf.strand(-line.quantity)
            elif event.transaction and line.account in TAKEN:
                self._held.after(line.amount_minor, now_us)

    def _placed(self, event: e.OrderPlaced, now_us: int) -> None:
        purchase = self._open.get(event.transaction)
        if purchase is not None:
            purchase.sold_minor += event.total_minor

    def _failed(self, event: e.OperationFailed, now_us: int) -> None:
        purchase = self._open.get(event.transaction)
        if event.code != OUT_OF_STOCK or purchase is None or purchase.refused:
            return
        purchase.refused = True
        line = self._missing(event.operation, purchase.lines)
        if line is None:
            return
        shelf = self._shelf(line.product)
        minor = line.quantity * shelf.price_minor
        wish = self._tally.wishes.refuse(purchase.customer, line.product, line.quantity, minor, now_us)
        self._refused.add(line.quantity, minor)
        self._series.add("refused", now_us - self._first_us)
        shelf.refuse(wish, line.quantity, minor, now_us)

    def _missing(self, operation: str, lines: list[Line]) -> Line | None:
        """The line of which there was not enough."""
        product = operation.partition(".")[2]
        for line in lines:
            if line.product == product or (
                not product and self._shelf(line.product).available < line.quantity
            ):
                return line
        return lines[0] if lines else None

    def _reverted(self, event: e.CompensationSucceeded, now_us: int) -> None:
        purchase = self._open.get(event.transaction)
        if purchase is not None:
            purchase.reverted_us = now_us

    def _struck(self, event: e.FaultInjected, now_us: int) -> None:
        key = (event.compensation or event.probe or event.operation, event.fault)
        if key not in self._faults and len(self._faults) >= NAMES_MAX:
            key = (OTHERS, "")
        self._faults[key] = self._faults.get(key, 0) + 1
        purchase = self._open.get(event.transaction)
        if purchase is None:
            return
        for text in purchase.began.faults:
            rule = self._never.get(text)
            if rule is not None and event.fault == rule.fault.name:
                saga = saga_of(purchase.began)
                if event.operation in saga.operations and explains(rule, event, saga):
                    self._never[text] = None

    def _closed(self, event: e.DeadLetterResolved | e.DeadLetterIgnored, now_us: int) -> None:
        self._letters -= 1

    # How it ends.

    def _ended(self, event: Any, now_us: int) -> None:
        self._now_us, self._events = now_us, event.seq
        purchase = self._open.get(event.transaction)
        if purchase is None:
            return
        stands = type(event) is e.TransactionCommitted
        for shelf in purchase.shelves:
            shelf.end(event.transaction, stands)
        if stands:
            self._sold(purchase, now_us)
        else:
            self._in_vain(purchase, event, now_us)

    def _sold(self, purchase: _Purchase, now_us: int) -> None:
        outcome = self._outcomes["committed"]
        outcome[0] += 1
        outcome[1] += purchase.sold_minor
        self._series.add("sold", now_us - self._first_us)
        self._held.sold(purchase.taken_minor, purchase.sold_minor)
        wishes = self._tally.wishes
        if wishes:
            for line in purchase.lines:
                wishes.grant(purchase.customer, line.product, now_us)

    def _in_vain(self, purchase: _Purchase, event: Any, now_us: int) -> None:
        outcome = self._outcomes[event.type.partition(".")[2]]
        outcome[0] += 1
        outcome[1] += self._worth(purchase)
        if not purchase.refused:
            self._series.add("failed", now_us - self._first_us)
        self._held.in_vain(purchase.takings, now_us)
        if isinstance(event, e.TransactionStuck):
            self._letters += len(event.dead_letters)
        elif isinstance(event, e.TransactionAbandoned):
            self._letters += _abandoned(purchase.posted)
        elif purchase.first_us and purchase.reverted_us:
            self._consistency.add(purchase.reverted_us - purchase.first_us)

    def _worth(self, purchase: _Purchase) -> int:
        return sum(line.quantity * self._shelf(line.product).price_minor for line in purchase.lines)

    def _shelf(self, product: str) -> Shelf:
        shelf = self._shelves.get(product)
        if shelf is None:
            shelf = self._shelves[product] = Shelf(self._tally)
        return shelf

    # What it came to.

    def measured(self) -> Measured:
        """The figures so far, up to the last event that moved, began or ended something."""
        numbers, tally, now_us = self._stats.told(), self._tally, self._now_us
        phantom, out = self._phantom(now_us)
        still_open = Tallied(len(self._open), sum(map(self._worth, self._open.values())))
        return Measured(
            currency=self._currency,
            length_us=now_us - self._first_us,
            outcomes={name: Tallied(*each) for name, each in self._outcomes.items()} | {"open": still_open},
            refused=_copy(self._refused),
            phantom=phantom,
            lost=_copy(tally.wishes.lost),
            came_back=_copy(tally.wishes.came_back),
            out=out,
            stranded=Tallied(
                sum(shelf.stranded for shelf in self._shelves.values()),
                sum(shelf.stranded * shelf.price_minor for shelf in self._shelves.values()),
            ),
            oversold=sum(shelf.oversold for shelf in self._shelves.values()),
            held=self._held.told(now_us),
            consistency=Durations.of("consistency", self._consistency),
            ends=numbers.ends,
            operations=numbers.operations,
            reverts=numbers.reverts,
            causes=numbers.causes,
            faults=[Injected(*key, count) for key, count in sorted(self._faults.items())],
            never_struck=[text for text, rule in self._never.items() if rule is not None],
            dead_letters=self._letters,
            series=self._series.told(),
            events=self._events,
            untracked=numbers.untracked,
        )

    def _phantom(self, now_us: int) -> tuple[Phantom, dict[str, int]]:
        tally = self._tally
        out: dict[str, int] = {}
        waited_us = tally.waited_us + tally.for_good * now_us - tally.for_good_at_us
        for product, shelf in self._shelves.items():
            out_us, waiting_us = shelf.phantom(now_us)
            waited_us += waiting_us
            if out_us:
                out[product] = out_us
        most = sorted(out.items(), key=lambda each: (-each[1], each[0]))
        phantom = Phantom(tally.refusals, tally.units, tally.minor, waited_us, sum(out.values()))
        return phantom, dict(most[:NAMES_MAX])


def _one_after_another(one: Handler, other: Handler) -> Handler:
    def both(event: Any, now_us: int) -> None:
        one(event, now_us)
        other(event, now_us)

    return both


def _rule(text: str, began: e.TransactionBegan) -> FaultRule | None:
    try:
        return parse_fault(text, saga_of(began))
    except InputError:
        return None


def _abandoned(posted: Iterable[e.LedgerPosted]) -> int:
    """How many operations left something behind."""
    net: dict[str, list[e.LedgerPosted]] = {}
    for event in posted:
        net.setdefault(event.operation, []).append(event)
    return sum(bool(moved(events)) for events in net.values())


def _copy(sales: Sales) -> Sales:
    return Sales(sales.count, sales.units, sales.minor)
