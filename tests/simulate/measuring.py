"""Streams of a busy market for tests of what they tell, and the same figures computed slowly and plainly."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from marketsim.audit.quantiles import Histogram
from marketsim.audit.stats import Durations
from marketsim.drivers.clock import Clock, parse_time
from marketsim.drivers.virtual import Driver
from marketsim.market.catalog import Catalog
from marketsim.market.directory import opening_events
from marketsim.market.requests import lines_of
from marketsim.market.sagas import saga_for
from marketsim.market.world import World
from marketsim.saga import events as e
from marketsim.saga.faults import FaultPlan, parse_fault
from marketsim.saga.policies import policy_named
from marketsim.saga.tape import Tape
from marketsim.simulate.held import Held
from marketsim.simulate.measured import Measured
from marketsim.simulate.measures import Measures
from marketsim.simulate.wishes import PATIENCE_US, Sales

START_US = 1_700_000_000_000_000
PRICE = 10


class Kept:
    """A log in memory."""

    def __init__(self) -> None:
        self.events: list[e.Event] = []

    def append(self, event: e.Event) -> None:
        self.events.append(event)
        event.seq = len(self.events)


class Market:
    """A market with few goods, many customers, and whatever goes wrong."""

    def __init__(self, stock: Sequence[int]) -> None:
        self.log, self.world, self.clock = Kept(), World(), Clock(START_US)
        self.live = Measures()
        goods = [
            {"id": f"p{index}", "name": "x", "price": PRICE, "inStock": units}
            for index, units in enumerate(stock)
        ]
        catalog = Catalog(goods, [{"id": f"u{index}", "name": "A"} for index in range(9)], [], {}, [])
        self.driver = Driver(self.log, self.world, self.clock, watch=self.live.see)
        for event in opening_events("m", catalog, "USD"):
            self.driver.record(event)

    def order(
        self,
        number: int,
        lines: dict[str, int],
        customer: str = "u0",
        *,
        policy: str = "default",
        faults: Iterable[str] = (),
        saga: str = "purchase",
        delay_us: int = 0,
        gateway: str = "",
    ) -> None:
        """Have a customer come."""
        asked: dict[str, Any] = {"customer": customer}
        if saga == "checkout":
            asked["cart"] = [{"product": name, "quantity": units} for name, units in lines.items()]
        else:
            asked["product"], asked["quantity"] = next(iter(lines.items()))
        made, texts = saga_for(saga, asked), list(faults)
        began = e.TransactionBegan(
            transaction=f"tx-{number}", saga=saga, policy=policy, request=asked, seed=1, faults=texts
        )
        if gateway:
            began.services = {"payment": gateway}
        plan = FaultPlan([parse_fault(text, made) for text in texts])
        tape = Tape(number)
        self.driver.begin(made, policy_named(policy), tape, began, plan, delay_us=delay_us)

    def run(self) -> list[e.Event]:
        """Everything that happens, in the order in which it is recorded."""
        self.driver.run()
        return self.log.events


def folded(events: Iterable[e.Event]) -> Measured:
    """What a stream comes to, by its times as they are written."""
    measures = Measures()
    measures.see_all(events)
    return measures.measured()


class Slow:
    """The same figures from a list of events, each by going through all of them again."""

    def __init__(self, events: Sequence[e.Event]) -> None:
        self.events = events
        self.at = [parse_time(event.time) for event in events]
        self.began = {each.transaction: each for each in events if isinstance(each, e.TransactionBegan)}
        self.begins = {
            each.transaction: i for i, each in enumerate(events) if isinstance(each, e.TransactionBegan)
        }
        self.ends = {each.transaction: i for i, each in enumerate(events) if isinstance(each, e.ENDS)}
        told = (e.TransactionBegan, e.LedgerPosted, *e.ENDS)
        mine = [
            index
            for index, each in enumerate(events)
            if isinstance(each, told) and (not isinstance(each, e.LedgerPosted) or each.transaction)
        ]
        self.last_us = self.at[mine[-1]] if mine else 0
        self.products = sorted(
            {line.product for each in events if isinstance(each, e.LedgerPosted) for line in each.postings}
            - {""}
        )

    # Stock.

    def taken(self, product: str) -> list[tuple[int, str, int]]:
        """Where in the stream, by which transaction, how many units were taken off sale."""
        return [
            (index, each.transaction, -line.quantity)
            for index, each in enumerate(self.events)
            if isinstance(each, e.LedgerPosted)
            for line in each.postings
            if line.account == "stock:available" and line.product == product
        ]

    def available(self, product: str, before: int) -> int:
        return -sum(units for index, _, units in self.taken(product) if index < before)

    def open_at(self, name: str, index: int) -> bool:
        return self.begins.get(name, index) < index < self.ends.get(name, len(self.events))

    def in_vain(self, name: str) -> bool:
        return name in self.ends and not isinstance(self.events[self.ends[name]], e.TransactionCommitted)

    def held(self, product: str, name: str, before: int) -> int:
        """By one transaction, as long as it is open."""
        end = self.ends.get(name, len(self.events))
        return sum(units for i, who, units in self.taken(product) if who == name and i < min(before, end))

    def stranded(self, product: str, before: int) -> int:
        total, done = 0, [(self.ends[name], name) for name in self.ends if self.in_vain(name)]
        steps = [(index, max(0, self.held(product, name, index))) for index, name in done]
        steps += [
            (i, units) for i, who, units in self.taken(product) if i > self.ends.get(who, len(self.events))
        ]
        for index, units in sorted(steps):
            if index < before:
                total = max(0, total + units)
        return total

    def vain_at(self, product: str, index: int) -> dict[str, int]:
        """Which open transactions hold how many units at a moment that will not have stood."""
        names = [name for name in self.began if self.open_at(name, index) and self.in_vain(name)]
        held = {name: self.held(product, name, index) for name in names}
        return {name: units for name, units in held.items() if units > 0}

    def refusals(self) -> list[tuple[int, str, str, int]]:
        """Where in the stream, whose, of which product, of how many units: the first of each transaction."""
        found, seen = [], set()
        for index, each in enumerate(self.events):
            if (
                not isinstance(each, e.OperationFailed)
                or each.code != "out_of_stock"
                or each.transaction in seen
            ):
                continue
            seen.add(each.transaction)
            lines = lines_of(self.began[each.transaction].request)
            family = each.operation.partition(".")[2]
            for line in lines:
                lacking = self.available(line.product, index) < line.quantity
                if line.product == family or (not family and lacking):
                    break
            else:
                line = lines[0]
            found.append((index, each.transaction, line.product, line.quantity))
        return found

    def phantom(self, refusal: tuple[int, str, str, int]) -> int:
        """Until when a customer was turned away for stock that only looked sold; 0 if it was none."""
        index, _, product, units = refusal
        short = units - self.available(product, index)
        vain = self.vain_at(product, index)
        if short <= 0 or self.stranded(product, index) + sum(vain.values()) < short:
            return 0
        back = [
            (self.at[i], -units)
            for i, who, units in self.taken(product)
            if who in vain and index < i < self.ends[who] and units < 0
        ]
        came = 0
        for moment_us, units in sorted(back):
            came += units
            if came >= short:
                return moment_us
        return self.last_us

    def out_us(self, product: str) -> int:
        """How long none was on sale while some were held in vain."""
        total, since = 0, None
        for index, _, _ in [*self.taken(product), (len(self.events), "", 0)]:
            none_left = index < len(self.events) and self.available(product, index + 1) <= 0
            if since is None and none_left:
                since = index
            elif since is not None and not none_left:
                if self.stranded(product, since + 1) + sum(self.vain_at(product, since + 1).values()):
                    total += (self.at[index] if index < len(self.events) else self.last_us) - self.at[since]
                since = None
        return total

    def wishes(self) -> tuple[Sales, Sales]:
        """Sales that are lost, and those of customers who came back: a unit makes one sale be lost."""
        refused = {index: (name, product, units) for index, name, product, units in self.refusals()}
        vain = {self.ends[name]: name for name in self.ends if self.in_vain(name)}
        current: dict[tuple[str, str], dict[str, Any]] = {}
        every: list[dict[str, Any]] = []
        asked: dict[str, list[tuple[int, dict[str, Any], list[int]]]] = defaultdict(list)
        free: dict[str, int] = defaultdict(int)

        def claim(units: int, wish: dict[str, Any], need: list[int]) -> int:
            claimed = 0 if wish["lost"] else min(units, need[0])
            need[0] -= claimed
            wish["lost"] |= not need[0]
            return claimed

        for index, each in enumerate(self.events):
            if index in refused:
                name, product, units = refused[index]
                key = (self.began[name].request["customer"], product)
                wish = current.get(key)
                if wish is None or self.at[index] - wish["at"] > PATIENCE_US:
                    wish = current[key] = {"units": units, "lost": False, "bought": False}
                    every.append(wish)
                wish["at"] = self.at[index]
                short = units - self.available(product, index)
                if short > 0:
                    asked[product].append((index, wish, need := [short]))
                    free[product] -= claim(free[product], wish, need)
            elif isinstance(each, e.TransactionCommitted):
                request = self.began[each.transaction].request
                for line in lines_of(request):
                    wish = current.pop((request["customer"], line.product), None)
                    if wish is not None and self.at[index] - wish["at"] <= PATIENCE_US:
                        wish["bought"] = True
            elif index in vain:
                name = vain[index]
                for product in self.products:
                    own = [i for i, who, _ in self.taken(product) if who == name and i < index]
                    unclaimed = max([self.held(product, name, i + 1) for i in own], default=0)
                    for at, wish, need in asked[product]:
                        units = self.held(product, name, at)
                        if units > 0:
                            unclaimed -= claim(min(unclaimed, units), wish, need)
                    free[product] += min(unclaimed, max(0, self.held(product, name, index)))
            elif isinstance(each, e.LedgerPosted) and index > self.ends.get(
                each.transaction, len(self.events)
            ):
                for product in self.products:
                    units = sum(units for i, _, units in self.taken(product) if i == index)
                    free[product] = min(free[product] + max(0, units), self.stranded(product, index + 1))
        sums = (Sales(), Sales())
        for wish in every:
            if wish["lost"]:
                sums[wish["bought"]].add(wish["units"], wish["units"] * PRICE * 100)
        return sums

    def oversold(self, product: str) -> int:
        worst = 0
        for index, _, _ in self.taken(product):
            made_up = sum(max(0, -self.held(product, name, index + 1)) for name in self.began)
            late = 0
            for i, who, units in self.taken(product):
                if i <= index and i > self.ends.get(who, len(self.events)):
                    late += max(0, -units - self.stranded(product, i))
            worst = max(worst, made_up + late - self.available(product, index + 1))
        return worst

    # Money.

    def takings(self, name: str) -> list[tuple[int, int, int]]:
        """Where in the stream, when, how much was taken for a transaction."""
        return [
            (index, self.at[index], minor)
            for index, each in enumerate(self.events)
            if isinstance(each, e.LedgerPosted) and each.transaction == name
            if (minor := sum(line.amount_minor for line in each.postings if "customer" not in line.account))
            or any(line.currency for line in each.postings)
        ]

    def money(self) -> Held:
        count = total = minor_us = still = double = double_minor = 0
        lengths = Histogram()
        for name, end in self.ends.items():
            own = [(at, minor) for index, at, minor in self.takings(name) if index < end]
            late = [(at, minor) for index, at, minor in self.takings(name) if index > end]
            for at, minor in late:
                still += minor
                minor_us += minor * (self.last_us - at)
            net = sum(minor for _, minor in own)
            if not self.in_vain(name):
                price = sum(
                    x.total_minor
                    for x in self.events
                    if isinstance(x, e.OrderPlaced) and x.transaction == name
                )
                double += net > price
                double_minor += max(0, net - price)
                continue
            sums = [sum(minor for _, minor in own[: count + 1]) for count in range(len(own))]
            most = max(sums, default=0)
            if most <= 0:
                continue
            count, total = count + 1, total + most
            if net <= 0:
                lengths.add(own[-1][0] - own[0][0])
                minor_us += sum(minor * (own[-1][0] - at) for at, minor in own)
            else:
                still += net
                minor_us += sum(minor * (self.last_us - at) for at, minor in own)
        return Held(
            returned=Durations.of("returned", lengths),
            count=count,
            minor=total,
            minor_hours=minor_us // 3_600_000_000,
            still_minor=still,
            double=double,
            double_minor=double_minor,
        )

    # All of it.

    def outcomes(self) -> dict[str, tuple[int, int]]:
        found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for name, began in self.began.items():
            end = self.events[self.ends[name]].type.partition(".")[2] if name in self.ends else "open"
            found[end][0] += 1
            found[end][1] += sum(line.quantity * PRICE * 100 for line in lines_of(began.request))
        return {name: (count, minor) for name, (count, minor) in found.items()}

    def consistency(self) -> Durations:
        lengths = Histogram()
        for name, end in self.ends.items():
            if not isinstance(self.events[end], e.TransactionCompensated):
                continue
            own = [(i, x) for i, x in enumerate(self.events[:end]) if getattr(x, "transaction", "") == name]
            first = [self.at[i] for i, x in own if isinstance(x, e.LedgerPosted) and not x.compensation]
            last = [self.at[i] for i, x in own if isinstance(x, e.CompensationSucceeded)]
            if first and last:
                lengths.add(last[-1] - first[0])
        return Durations.of("consistency", lengths)
