"""The shape of a workload: who comes, what they want, and what the services are like that day."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from marketsim.market.catalog import USERS_MAX

__all__ = [
    "ARRIVALS",
    "EVERY_PRODUCT",
    "PURCHASES_MAX",
    "RATE_MAX",
    "TABLES",
    "Again",
    "Arrivals",
    "Breaker",
    "Cancel",
    "Closed",
    "Columns",
    "FlashSale",
    "Habits",
    "Hot",
    "Latency",
    "Limit",
    "Outage",
    "Popularity",
    "PriceChange",
    "Restock",
    "TraceFile",
    "Workload",
]

ARRIVALS = ("poisson", "steady", "flash_sale", "closed", "trace")
"""How customers may come: a workload says exactly one of them."""

EVERY_PRODUCT = "*"
"""What a restock names in place of a product, if units of each product arrive."""

PURCHASES_MAX = 1_000_000_000
"""How many purchases a simulation may have."""

RATE_MAX = 1_000_000
"""The highest rate, in arrivals or calls a second."""

_SPAN = Meta(extra_json_schema={"pattern": "^[0-9]{1,15}(us|ms|s|m|h)$"})
_PEOPLE_MAX = 1_000_000
_MANY = 1_000

_Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
_Span: TypeAlias = Annotated[str, _SPAN]
_Rate: TypeAlias = Annotated[float, Meta(gt=0, le=RATE_MAX)]
_RateOrNone: TypeAlias = Annotated[float, Meta(ge=0, le=RATE_MAX)]
_Percent: TypeAlias = Annotated[float, Meta(ge=0, le=100)]
_Units: TypeAlias = Annotated[int, Meta(ge=1, le=10**9)]
_Weights: TypeAlias = Annotated[dict[str, Annotated[int, Meta(ge=0, le=10**6)]], Meta(max_length=100)]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a workload."""


# Who comes, and when.


class FlashSale(_Part, frozen=True):
    """A sale that is announced: the rate climbs from ``base`` to ``peak``, holds, and falls back."""

    peak: Annotated[_Rate, Meta(description="Arrivals a second while the sale is on.")]
    hold: Annotated[_Span, Meta(description="How long the peak lasts, as in 5m.")]
    base: Annotated[_RateOrNone, Meta(description="Arrivals a second before and after it.")] = 1
    at: Annotated[_Span, Meta(description="When the rate begins to climb, as in 10m.")] = "0s"
    ramp: Annotated[_Span, Meta(description="How long it climbs, and how long it falls, as in 30s.")] = "0s"


class Closed(_Part, frozen=True):
    """A group of customers, each of whom thinks for a while after each purchase, and buys again."""

    customers: Annotated[int, Meta(ge=1, le=USERS_MAX, description="How many they are.")]
    think: Annotated[
        _Span, Meta(description="How long one thinks on average, before and between purchases, as in 30s.")
    ] = "30s"


_Column: TypeAlias = Annotated[int, Meta(ge=1, le=_MANY)] | Annotated[str, Meta(min_length=1, max_length=200)]


class Columns(_Part, frozen=True):
    """Which column of a trace says what: by its name in the header, or its number from 1."""

    time: Annotated[_Column | UnsetType, Meta(description="When.")] = UNSET
    customer: Annotated[_Column | UnsetType, Meta(description="Who.")] = UNSET
    product: Annotated[_Column | UnsetType, Meta(description="What.")] = UNSET
    quantity: Annotated[_Column | UnsetType, Meta(description="How many units.")] = UNSET
    price: Annotated[_Column | UnsetType, Meta(description="The price of one unit.")] = UNSET
    amount: Annotated[_Column | UnsetType, Meta(description="The price of all its units together.")] = UNSET


class TraceFile(_Part, frozen=True):
    """The orders of a real shop, a line each, with their dates as they are."""

    file: Annotated[_Name, Meta(description="A file beside or below this one: CSV, or separated by blanks.")]
    columns: Annotated[Columns, Meta(description="Which column says what; by their names if not said.")] = (
        Columns()
    )
    dates: Annotated[
        Literal["day_first", "month_first"], Meta(description="How a date such as 01/12/2010 is meant.")
    ] = "day_first"
    stock: Annotated[
        Annotated[int, Meta(ge=0, le=10**9)] | UnsetType,
        Meta(description="Units of each product at the start; as many as are ordered."),
    ] = UNSET


class Arrivals(_Part, frozen=True):
    """How customers come: exactly one of these."""

    poisson: Annotated[_Rate | UnsetType, Meta(description="At random, so many a second on average.")] = UNSET
    steady: Annotated[_Rate | UnsetType, Meta(description="Evenly, so many a second.")] = UNSET
    flash_sale: Annotated[FlashSale | UnsetType, Meta(description="Many at once.")] = UNSET
    closed: Annotated[Closed | UnsetType, Meta(description="The same ones, again and again.")] = UNSET
    trace: Annotated[TraceFile | UnsetType, Meta(description="As in a real shop.")] = UNSET


# What they want, and what they do when they do not get it.


class Hot(_Part, frozen=True):
    """One product that everybody talks about."""

    product: Annotated[_Name, Meta(description="The id of a product in the catalog.")]
    percent: Annotated[_Percent, Meta(description="How many of the customers want it.")]


class Popularity(_Part, frozen=True):
    """Which products are wanted: one of these; without any, all of them alike."""

    zipf: Annotated[
        Annotated[float, Meta(ge=0, le=10)] | UnsetType,
        Meta(description="The nth of the catalog is wanted 1/n**zipf times as much as the first."),
    ] = UNSET
    hot: Annotated[Hot | UnsetType, Meta(description="One product above all.")] = UNSET


class Again(_Part, frozen=True):
    """How many try again when a purchase came to nothing, how soon, and how often."""

    percent: Annotated[_Percent, Meta(description="How many try again, each time.")]
    after: Annotated[_Span, Meta(description="After how long on average, as in 30s.")] = "30s"
    times: Annotated[int, Meta(ge=1, le=_MANY, description="How often at most.")] = 1
    codes: Annotated[
        list[_Name],
        Meta(max_length=100, description="Only after these, as in card_declined; after any if none is said."),
    ] = []


class Cancel(_Part, frozen=True):
    """How many change their mind midway."""

    percent: Annotated[_Percent, Meta(description="How many cancel.")]
    within: Annotated[_Span, Meta(description="At any moment within so long after they began, as in 2s.")] = (
        "2s"
    )


class Habits(_Part, frozen=True):
    """What customers do beside buying."""

    again: Annotated[Again | UnsetType, Meta(description="They try again.")] = UNSET
    cancel: Annotated[Cancel | UnsetType, Meta(description="They change their mind.")] = UNSET
    patience: Annotated[
        _Span | UnsetType, Meta(description="How long after its start they give a purchase up, as in 30s.")
    ] = UNSET


# What the shop does.


class Restock(_Part, frozen=True):
    """Units that arrive, once or regularly."""

    product: Annotated[_Name, Meta(description="The id of a product in the catalog; * for each of them.")]
    units: Annotated[_Units, Meta(description="How many arrive each time.")]
    at: Annotated[_Span | UnsetType, Meta(description="When, counted from the start.")] = UNSET
    every: Annotated[_Span | UnsetType, Meta(description="Again and again after so long.")] = UNSET


class PriceChange(_Part, frozen=True):
    """A new price."""

    product: Annotated[_Name, Meta(description="The id of a product in the catalog.")]
    price: Annotated[float, Meta(ge=0, description="In major units of the currency.")]
    at: Annotated[_Span, Meta(description="When, counted from the start.")]


# What the services are like.


class Latency(_Part, frozen=True):
    """How long a service takes: lognormal (median and p99, or sigma), exponential (mean), or from timings."""

    median: Annotated[_Span | UnsetType, Meta(description="Half of the calls are faster.")] = UNSET
    p99: Annotated[_Span | UnsetType, Meta(description="One in a hundred calls is slower.")] = UNSET
    sigma: Annotated[
        Annotated[float, Meta(ge=0, le=5)] | UnsetType,
        Meta(description="Instead of p99: the standard deviation of the logarithm."),
    ] = UNSET
    mean: Annotated[_Span | UnsetType, Meta(description="Exponential, with this mean.")] = UNSET
    csv: Annotated[
        _Name | UnsetType, Meta(description="A file of real timings beside or below this one.")
    ] = UNSET
    column: Annotated[
        _Column | UnsetType, Meta(description="Its column, by name or number from 1; the first if not said.")
    ] = UNSET
    unit: Annotated[Literal["us", "ms", "s"], Meta(description="What its numbers count.")] = "ms"


class Outage(_Part, frozen=True, rename={"from_": "from"}):
    """A service that is away for a while: every call to it, its reverts and probes too, fails so."""

    service: Annotated[_Name, Meta(description="A service, an operation, a revert or a probe.")]
    from_: Annotated[_Span, Meta(description="When it begins, counted from the start.")]
    to: Annotated[_Span, Meta(description="When it is over, counted from the start.")]
    fault: Annotated[_Name, Meta(description="How calls fail meanwhile.")] = "gateway_down"


class Breaker(_Part, frozen=True):
    """A circuit breaker before a service: after many failures it lets nothing through for a while."""

    failures: Annotated[int, Meta(ge=1, le=10**6, description="How many failures open it.")]
    window: Annotated[_Span, Meta(description="Within how long they count.")] = "10s"
    open: Annotated[_Span, Meta(description="How long it is open before one call may try.")] = "30s"


class Limit(_Part, frozen=True):
    """What a service, or the way to it, lets through."""

    rate: Annotated[_Rate | UnsetType, Meta(description="Calls a second; more are refused.")] = UNSET
    burst: Annotated[
        Annotated[int, Meta(ge=1, le=10**6)] | UnsetType,
        Meta(description="How many may come at once; a second's worth."),
    ] = UNSET
    breaker: Annotated[Breaker | UnsetType, Meta(description="When it stops asking.")] = UNSET


_Servers: TypeAlias = Annotated[int, Meta(ge=1, le=10**6)]

TABLES: dict[str, Any] = {"latency": _Span | Latency, "limits": Limit, "servers": _Servers}
"""What the entries are of the tables whose keys are names of services: their mistakes are told one by one."""


class Workload(_Part, frozen=True):
    """A workload; durations count from the start of the simulation."""

    arrivals: Annotated[Arrivals, Meta(description="How customers come.")]
    purchases: Annotated[
        Annotated[int, Meta(ge=1, le=PURCHASES_MAX)] | UnsetType,
        Meta(description="How many come; who tries again is not counted anew."),
    ] = UNSET
    duration: Annotated[_Span | UnsetType, Meta(description="How long they come.")] = UNSET
    popularity: Annotated[Popularity, Meta(description="Which products are wanted.")] = Popularity()
    units: Annotated[
        _Weights,
        Meta(description="How many units of a product: each number, and its weight."),
    ] = {}
    products: Annotated[
        _Weights,
        Meta(description="How many different products, for a checkout: each number, and its weight."),
    ] = {}
    customers: Annotated[
        Annotated[int, Meta(ge=1, le=USERS_MAX)] | UnsetType,
        Meta(description="How many different customers; those of the catalog if not said."),
    ] = UNSET
    habits: Annotated[Habits, Meta(description="What customers do beside buying.")] = Habits()
    restocks: Annotated[list[Restock], Meta(max_length=_MANY, description="Units that arrive.")] = []
    prices: Annotated[list[PriceChange], Meta(max_length=_MANY, description="Prices that change.")] = []
    latency: Annotated[
        dict[_Name, _Span | Latency],
        Meta(max_length=100, description="How long a service, or an operation of it, takes to answer."),
    ] = {}
    servers: Annotated[
        dict[_Name, _Servers],
        Meta(max_length=100, description="How many calls a service works on at once; the others wait."),
    ] = {}
    faults: Annotated[
        list[_Name],
        Meta(
            max_length=_MANY,
            description="What goes wrong: mixes by name, and TARGET:FAULT[@ATTEMPTS][%PROBABILITY].",
        ),
    ] = []
    outages: Annotated[list[Outage], Meta(max_length=_MANY, description="Services that are away.")] = []
    limits: Annotated[
        dict[_Name, Limit], Meta(max_length=100, description="What a service lets through.")
    ] = {}
