"""Whether a request keeps the declared guardrails, and why not.

A request is for one product (``product`` and ``quantity``) or for a ``cart`` of several; each product
in it is a line. A rule looks at the lines that meet all its conditions, and is kept if there are none.
A limit on quantity or total adds those lines up, ``per``:

- ``order`` (the default): all of this request;
- ``customer``: all of this request, and of the orders of the same customer that stand; what was
  cancelled does not count, nor what is still under way;
- ``category`` or ``product``: in this request, for each category or product by itself;
- ``[customer, category]`` or ``[customer, product]``: for each by itself, standing orders included.

What was bought before counts at the price that was paid; its name, category and condition are those
that the catalog has now, and empty for a product that is no longer in it. A limit on price is on one
unit of each line, and one on orders counts the standing orders of the customer and this request.
Hours are those of the moment at which the transaction begins, in UTC: from the first minute until
before the last, over midnight if the last is earlier; a day is the one on which the hours begin.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from marketsim.market.money import format_minor
from marketsim.market.requests import lines_of
from marketsim.market.rules import DAYS, TESTS, Condition, Rule, scopes, tests_of, values_of, window
from marketsim.saga.definition import Call
from marketsim.saga.errors import nearest, quoted

if TYPE_CHECKING:
    from marketsim.market.catalog import Catalog, Product
    from marketsim.market.world import World

__all__ = [
    "Line",
    "Wanted",
    "broken_rule",
    "described",
    "unmatched",
    "wanted_of",
    "why_broken",
]

_DAY_MINUTES = 24 * 60
_VALUES_SHOWN = 5
_VERBS = dict(zip(TESTS, ("is", "is not", "is one of", "is none of", "is above", "is below"), strict=True))


class Line(msgspec.Struct, frozen=True):
    """One product that is wanted or was bought, and how many units; ``known`` is None if it is not sold."""

    product: str
    quantity: int
    price_minor: int
    known: "Product | None"


class Wanted(msgspec.Struct, frozen=True):
    """A request as the rules see it, at a moment (RFC 3339, UTC), in a world."""

    customer: str
    lines: list[Line]
    time: str
    world: Any


# Judging a request.


def broken_rule(call: Call) -> tuple[str, str] | None:
    """The first declared rule that the request of this call breaks, by name, and why."""
    rules: list[Rule] = call.world.guardrails
    wanted = wanted_of(call.request, call.began.time, call.world)
    return next(((rule.name, why) for rule in rules if (why := why_broken(rule, wanted))), None)


def wanted_of(request: Mapping[str, Any], time: str, world: "World") -> Wanted:
    """The request as the rules see it; ``time`` is RFC 3339 in UTC."""
    products = world.products
    lines = []
    for line in lines_of(request):
        known = products.get(line.product)
        price_minor = known.price_minor if known else 0
        lines.append(Line(line.product, line.quantity, price_minor, known))
    return Wanted(request["customer"], lines, time, world)


def why_broken(rule: Rule, wanted: Wanted) -> str:
    """Why the request breaks the rule; empty if it keeps it."""
    lines = list(_meeting(rule, wanted.customer, wanted.lines))
    if not lines:
        return ""
    if rule.reject is True:
        why = _rejected(rule, lines[0], wanted)
    elif rule.at_most is UNSET:
        why = _closed(rule, wanted.time)
    else:
        why = _LIMITS[str(rule.of)](rule, lines, wanted)
    return f"{rule.sentence.rstrip('.')}: {why}" if why and rule.sentence else why


def _meeting(rule: Rule, customer: str, lines: Iterable[Line]) -> Iterator[Line]:
    for line in lines:
        if all(_holds(each, _value(each.field, customer, line)) for each in rule.where):
            yield line


def _value(field: str, customer: str, line: Line) -> str | int:
    if field == "customer":
        return customer
    if field == "product":
        return line.product
    if field == "price":
        return line.price_minor
    return str(getattr(line.known, field, ""))


def _holds(condition: Condition, value: Any) -> bool:
    test, demanded = tests_of(condition)[0]
    match test:
        case "is_":
            return bool(value == demanded)
        case "is_not":
            return bool(value != demanded)
        case "in_":
            return value in demanded
        case "not_in":
            return value not in demanded
        case "above":
            return bool(value > demanded)
        case _:
            return bool(value < demanded)


def _too_much(rule: Rule, lines: list[Line], wanted: Wanted) -> str:
    """Why these lines, with what was bought before, are more than the rule allows."""
    wants, had = _added(rule, lines), dict[str, int]()
    if "customer" in scopes(rule):
        bought = wanted.world.bought(wanted.customer).units.items()
        products = wanted.world.products
        past = [Line(name, units, price, products.get(name)) for (name, price), units in bought]
        had = _added(rule, _meeting(rule, wanted.customer, past))
    for group, much in wants.items():
        if much + had.get(group, 0) > rule.at_most:  # type: ignore[operator]
            before = f" and {_shown(rule, had[group], wanted.world)} bought before" if had.get(group) else ""
            limit = _shown(rule, rule.at_most, wanted.world)
            return f"{_shown(rule, much, wanted.world)} wanted{before}; at most {limit} {_scope(rule, group)}"
    return ""


def _added(rule: Rule, lines: Iterable[Line]) -> dict[str, int]:
    """The sum of the lines for each category or product, or (under no name) of them all."""
    per, sums = scopes(rule), dict[str, int]()
    for line in lines:
        group = ""
        if "product" in per:
            group = line.product
        elif "category" in per:
            group = line.known.category if line.known else ""
        much = line.quantity if rule.of == "quantity" else line.quantity * line.price_minor
        sums[group] = sums.get(group, 0) + much
    return sums


def _too_dear(rule: Rule, lines: list[Line], wanted: Wanted) -> str:
    dearest = max(lines, key=lambda line: line.price_minor)
    if dearest.price_minor <= rule.at_most:  # type: ignore[operator]
        return ""
    price, limit = (_shown(rule, each, wanted.world) for each in (dearest.price_minor, rule.at_most))
    return f"{dearest.product} costs {price}; at most {limit} for one unit"


def _too_often(rule: Rule, lines: list[Line], wanted: Wanted) -> str:
    before = wanted.world.bought(wanted.customer).orders
    if before + 1 <= rule.at_most:
        return ""
    return f"{_counted(before, 'order')} before this one; at most {rule.at_most:,} for a customer"


_LIMITS: dict[str, Callable[[Rule, list[Line], Wanted], str]] = {
    "quantity": _too_much,
    "total": _too_much,
    "price": _too_dear,
    "orders": _too_often,
}


def _closed(rule: Rule, time: str) -> str:
    """Why the moment is none at which the rule allows anything."""
    minute, day = int(time[11:13]) * 60 + int(time[14:16]), date.fromisoformat(time[:10]).weekday()
    start, end = (0, _DAY_MINUTES) if rule.hours is UNSET else window(rule.hours)
    allowed = start <= minute < end if start < end else not end <= minute < start
    # What is open over midnight belongs to the day on which it opened.
    opened = (day - 1) % 7 if end < start and minute < end else day
    if allowed and (rule.days is UNSET or DAYS[opened] in rule.days):
        return ""
    return f"it is {DAYS[day]} {time[11:16]} UTC; allowed is {_times(rule)}"


def _rejected(rule: Rule, line: Line, wanted: Wanted) -> str:
    told = []
    for field in dict.fromkeys(each.field for each in rule.where):
        value = _value(field, wanted.customer, line)
        shown = format_minor(value, wanted.world.currency) if isinstance(value, int) else value or "empty"
        told.append(f"{field} is {shown}")
    of_product = any(each.field not in ("customer", "product") for each in rule.where)
    return ", ".join(told) + (f" of {line.product}" if of_product else "")


# Telling what a rule says.


def described(rule: Rule, world: "World") -> str:
    """What the rule says, in a few words; money as the world's currency has it."""
    if rule.reject is True:
        said = "rejects"
    elif rule.at_most is UNSET:
        said = f"only {_times(rule)}"
    else:
        limit = _shown(rule, rule.at_most, world)
        said = f"at most {limit}" + (" for one unit" if rule.of == "price" else f" {_scope(rule, None)}")
    conditions = " and ".join(_condition(each, world) for each in rule.where)
    return f"{said}, where {conditions}" if conditions else said


def _condition(condition: Condition, world: "World") -> str:
    test, value = tests_of(condition)[0]
    values = value if isinstance(value, list) else [value]
    money = condition.field == "price"
    shown = [format_minor(each, world.currency) if money else str(each) for each in values[:_VALUES_SHOWN]]
    more = f" and {len(values) - _VALUES_SHOWN:,} more" if len(values) > _VALUES_SHOWN else ""
    return f"{condition.field} {_VERBS[test]} {', '.join(shown) or 'empty'}{more}"


def _times(rule: Rule) -> str:
    hours = "" if rule.hours is UNSET else f"{rule.hours} UTC"
    days = "" if rule.days is UNSET else f"on {', '.join(rule.days)}"
    return f"{hours} {days}".strip()


def _scope(rule: Rule, group: str | None) -> str:
    """For what the sum is made: ``of computers for a customer``; without a group, of each there is."""
    per = scopes(rule)
    kind = next((each for each in ("category", "product") if each in per), "")
    of = ""
    if kind:
        of = f"of each {kind} " if group is None else f"of {kind} {group} " if group else f"without a {kind} "
    return of + ("for a customer" if "customer" in per else "in an order")


def _shown(rule: Rule, amount: Any, world: "World") -> str:
    if rule.of in ("quantity", "orders"):
        return _counted(amount, "unit" if rule.of == "quantity" else "order")
    return format_minor(amount, world.currency)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


# What nothing can meet.


def unmatched(rules: Iterable[Rule], catalog: "Catalog") -> Iterator[str]:
    """A note for each value in a condition that nothing in the catalog has: it may be mistyped."""
    known = {field: _known(catalog, field) for field in ("product", "name", "category", "condition")}
    known["customer"] = {user["id"] for user in catalog.users}
    for rule in rules:
        for index, condition in enumerate(rule.where):
            names = known.get(condition.field, set())
            for _, value in values_of(index, condition):
                if value and condition.field in known and value not in names:
                    what = f"nothing in the catalog has the {condition.field} {quoted(value)}"
                    yield f"{rule.name}: {what} ({nearest(value, names)})"


def _known(catalog: "Catalog", field: str) -> set[str]:
    key = "id" if field == "product" else field
    return {text for record in catalog.products if isinstance(text := record.get(key), str)}
