"""The vocabulary of the stream: one struct for each type of event, and how an event becomes a line."""

import hashlib
from typing import Any, Literal, TypeAlias

import msgspec

__all__ = [
    "ENDS",
    "EVENT_TYPES",
    "GENESIS",
    "CatalogChanged",
    "CompensationEvent",
    "CompensationExpired",
    "CompensationFailed",
    "CompensationPartial",
    "CompensationRetryScheduled",
    "CompensationSkipped",
    "CompensationStarted",
    "CompensationSucceeded",
    "DeadLetterIgnored",
    "DeadLetterResolved",
    "EffectEvent",
    "Event",
    "FaultInjected",
    "JSONObject",
    "LedgerPosted",
    "MarketCreated",
    "NotificationSent",
    "OperationAborted",
    "OperationEvent",
    "OperationFailed",
    "OperationLate",
    "OperationProbed",
    "OperationProgress",
    "OperationRetryScheduled",
    "OperationStarted",
    "OperationSucceeded",
    "OperationSuspended",
    "OperationUnknown",
    "OrderCancelled",
    "OrderPlaced",
    "Posting",
    "ProcessRecovered",
    "ServiceNoted",
    "TransactionAbandoned",
    "TransactionBegan",
    "TransactionCancelRequested",
    "TransactionCommitted",
    "TransactionCompensated",
    "TransactionCompensating",
    "TransactionEvent",
    "TransactionRejected",
    "TransactionStuck",
    "decode",
    "encode",
    "encode_lines",
    "events_schema",
    "leaf_hash",
]

JSONObject: TypeAlias = dict[str, Any]
"""A JSON object without floats: strings, integers, booleans, null, objects and arrays."""

GENESIS = "0" * 64
"""What ``prev`` holds in the first event of a stream."""


class Posting(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, frozen=True, gc=False):
    """One line of the double-entry ledger: money in minor units, or units of a product.

    Exactly one of ``currency`` (with ``amount_minor``) and ``product`` (with ``quantity``) is set.
    The lines of one ``ledger.posted`` sum to zero for each currency and each product.
    """

    account: str
    amount_minor: int = 0
    currency: str = ""
    product: str = ""
    quantity: int = 0

    @property
    def unit(self) -> str:
        """What is counted: the currency's code, or the product's id."""
        return self.currency or self.product

    @property
    def amount(self) -> int:
        """How much: minor units of the currency, or units of the product."""
        return self.amount_minor if self.currency else self.quantity


class Event(
    msgspec.Struct, tag_field="type", omit_defaults=True, forbid_unknown_fields=True, kw_only=True, gc=False
):
    """What every event has: its number from 1, its time (RFC 3339, UTC), and the hash before it.

    The three are set by whoever records the event; whoever makes it leaves them alone. What JSON can
    hold never leads back to itself, so the garbage collector passes events over.
    """

    seq: int = 0
    time: str = ""
    prev: str = ""

    @property
    def type(self) -> str:
        """The event's type, as it stands in the line."""
        return _TAGS[type(self)]


class TransactionEvent(Event, kw_only=True):
    """An event that belongs to a transaction."""

    transaction: str


class OperationEvent(TransactionEvent, kw_only=True):
    """An event of one attempt (from 1) at one operation."""

    operation: str
    attempt: int


class CompensationEvent(TransactionEvent, kw_only=True):
    """An event of one attempt (from 1) at reverting ``operation`` by ``compensation``."""

    operation: str
    compensation: str
    attempt: int = 0


class EffectEvent(TransactionEvent, kw_only=True):
    """Something that a service really did, under an idempotency key, for an operation or its revert.

    ``compensation`` is set when a revert did it. ``transaction`` is empty where no transaction is
    behind it: the opening stock, a restock. ``unasked`` says that the service took back by itself what
    the operation had done: a reservation or an authorization that expired.
    """

    transaction: str = ""
    operation: str = ""
    compensation: str = ""
    attempt: int = 0
    key: str = ""
    unasked: bool = False


class MarketCreated(Event, kw_only=True, tag="market.created"):
    """The market begins: its name, its currency, and the version of this format."""

    origin: str
    currency: str
    format: int = 1


class CatalogChanged(Event, kw_only=True, tag="catalog.changed"):
    """Products and customers were brought, edited or removed.

    A record holds what the market acts on; ``fields`` names, for each id, what else was edited.
    Stock is never here: it moves by ``ledger.posted`` alone. ``guardrails`` are the declared rules
    that are in force from here on, all of them; None leaves them as they were.
    """

    source: str
    products: list[JSONObject] = []
    customers: list[JSONObject] = []
    removed_products: list[str] = []
    removed_customers: list[str] = []
    fields: list[str] = []
    guardrails: list[JSONObject] | None = None


class TransactionBegan(TransactionEvent, kw_only=True, tag="transaction.began"):
    """A transaction begins: everything that is needed to run it again.

    ``rules`` are those of its policy that differ from the policy named; ``services`` says how services
    behave, by their names. It is asked to stop after ``deadline_us`` or ``cancel_us`` microseconds, if any.
    """

    saga: str
    policy: str
    request: JSONObject
    seed: int
    faults: list[str] = []
    rules: JSONObject = {}
    services: JSONObject = {}
    deadline_us: int = 0
    cancel_us: int = 0


class TransactionRejected(TransactionEvent, kw_only=True, tag="transaction.rejected"):
    """A guardrail was broken, and nothing was started: the end."""

    rule: str
    reason: str


class TransactionCommitted(TransactionEvent, kw_only=True, tag="transaction.committed"):
    """Everything was done: the end. ``left`` names retriable operations that ran out of attempts."""

    left: list[str] = []


class TransactionCancelRequested(TransactionEvent, kw_only=True, tag="transaction.cancel_requested"):
    """Somebody outside, or its deadline (``code``), wants it to end.

    ``shielded`` says that it goes on all the same: it is being reverted, or is past its pivot.
    """

    code: str
    reason: str = ""
    shielded: bool = False


class TransactionCompensating(TransactionEvent, kw_only=True, tag="transaction.compensating"):
    """An operation failed for good; from here on what was done is being reverted."""

    operation: str
    reason: str


class TransactionCompensated(TransactionEvent, kw_only=True, tag="transaction.compensated"):
    """Every revert succeeded, or there was nothing to revert: the end."""


class TransactionStuck(TransactionEvent, kw_only=True, tag="transaction.stuck"):
    """Not everything could be reverted: the end, with a dead letter for each operation named."""

    dead_letters: list[str]


class TransactionAbandoned(TransactionEvent, kw_only=True, tag="transaction.abandoned"):
    """An operation failed under a policy that reverts nothing: the end, with all that it left."""

    operation: str
    reason: str


ENDS = (
    TransactionRejected,
    TransactionCommitted,
    TransactionCompensated,
    TransactionStuck,
    TransactionAbandoned,
)
"""The events that end a transaction."""


class OperationStarted(OperationEvent, kw_only=True, tag="operation.started"):
    """The intent: written before the call is made."""

    key: str
    kind: str
    service: str


class OperationSucceeded(OperationEvent, kw_only=True, tag="operation.succeeded"):
    """The answer was: done."""

    result: JSONObject = {}


class OperationFailed(OperationEvent, kw_only=True, tag="operation.failed"):
    """The answer was: not done, for certain."""

    code: str
    reason: str
    retry: str


class OperationUnknown(OperationEvent, kw_only=True, tag="operation.unknown"):
    """No answer came: the effect may have landed."""

    code: str
    reason: str


class OperationProbed(OperationEvent, kw_only=True, tag="operation.probed"):
    """The service was asked whether the operation had landed: question ``attempt``, by ``probe``.

    ``outcome`` is landed, not_landed or unknown.
    """

    probe: str
    outcome: Literal["landed", "not_landed", "unknown"]
    code: str = ""
    reason: str = ""
    result: JSONObject = {}


class OperationSuspended(OperationEvent, kw_only=True, tag="operation.suspended"):
    """The service waits for somebody (``code`` says for what), at most ``expires_us`` microseconds."""

    code: str
    reason: str
    expires_us: int


class OperationLate(OperationEvent, kw_only=True, tag="operation.late"):
    """The truth about an attempt arrived after its outcome had been decided without it."""

    outcome: str
    code: str = ""
    reason: str = ""
    result: JSONObject = {}


class OperationRetryScheduled(OperationEvent, kw_only=True, tag="operation.retry_scheduled"):
    """Attempt ``attempt`` is going to start in ``delay_us`` microseconds; with ``probe`` a question."""

    delay_us: int
    probe: str = ""


class OperationAborted(OperationEvent, kw_only=True, tag="operation.aborted"):
    """The operation asked for the whole transaction to end."""

    reason: str
    payload: JSONObject = {}


class OperationProgress(OperationEvent, kw_only=True, tag="operation.progress"):
    """The operation reports how far it has come."""

    payload: JSONObject = {}


class CompensationStarted(CompensationEvent, kw_only=True, tag="compensation.started"):
    """The intent of a revert: written before the call is made."""

    key: str
    service: str


class CompensationSucceeded(CompensationEvent, kw_only=True, tag="compensation.succeeded"):
    """The answer of the revert was: undone."""

    result: JSONObject = {}


class CompensationPartial(CompensationEvent, kw_only=True, tag="compensation.partial"):
    """The revert undid a part only, and a person must do what remains."""

    result: JSONObject
    remains: JSONObject


class CompensationFailed(CompensationEvent, kw_only=True, tag="compensation.failed"):
    """The revert failed, or (``outcome`` unknown) gave no answer."""

    code: str
    reason: str
    outcome: str
    retry: str


class CompensationExpired(CompensationEvent, kw_only=True, tag="compensation.expired"):
    """The time in which the revert was possible has passed."""

    reason: str


class CompensationSkipped(CompensationEvent, kw_only=True, tag="compensation.skipped"):
    """The revert was not tried, and why."""

    reason: str


class CompensationRetryScheduled(CompensationEvent, kw_only=True, tag="compensation.retry_scheduled"):
    """Attempt ``attempt`` at the revert is going to start in ``delay_us`` microseconds."""

    delay_us: int


class LedgerPosted(EffectEvent, kw_only=True, tag="ledger.posted"):
    """Stock or money moved: lines that sum to zero for each currency and product."""

    postings: list[Posting]
    reason: str = ""


class OrderPlaced(EffectEvent, kw_only=True, tag="order.placed"):
    """An order stands: what was bought, by whom, for how much."""

    order: str
    customer: str
    lines: list[JSONObject]
    total_minor: int
    currency: str


class OrderCancelled(EffectEvent, kw_only=True, tag="order.cancelled"):
    """The order no longer stands."""

    order: str


class NotificationSent(EffectEvent, kw_only=True, tag="notification.sent"):
    """A message left for the customer; it cannot be called back."""

    customer: str
    message: str


class ServiceNoted(EffectEvent, kw_only=True, tag="service.noted"):
    """A service keeps something in mind under a key, such as ``pending``, ``settled`` or ``answered_500``.

    ``fenced``: the revert was here first, so the operation is refused when it arrives.
    """

    note: str


class FaultInjected(TransactionEvent, kw_only=True, tag="fault.injected"):
    """A failure was put in the way of this attempt, on purpose."""

    operation: str
    attempt: int
    fault: str
    compensation: str = ""
    probe: str = ""


class ProcessRecovered(TransactionEvent, kw_only=True, tag="process.recovered"):
    """A process that had died left this transaction open; from here on another one finishes it.

    ``asked_again`` names the calls whose intent was recorded and whose outcome was not.
    """

    asked_again: list[str] = []


class DeadLetterResolved(TransactionEvent, kw_only=True, tag="dead_letter.resolved"):
    """A person did what the revert could not, and says so."""

    operation: str
    reason: str


class DeadLetterIgnored(TransactionEvent, kw_only=True, tag="dead_letter.ignored"):
    """A person decided to leave it as it is, and says why."""

    operation: str
    reason: str


def _concrete(of: type[Event]) -> list[type[Event]]:
    below = [leaf for child in of.__subclasses__() for leaf in _concrete(child)]
    return below if below else [of]


_TAGS: dict[type[Event], str] = {kind: str(kind.__struct_config__.tag) for kind in _concrete(Event)}

EVENT_TYPES: dict[str, type[Event]] = {tag: kind for kind, tag in _TAGS.items()}
"""Every type of event by its name in the stream."""

_ENCODER = msgspec.json.Encoder(order="sorted")


def _union() -> Any:
    union: Any = MarketCreated
    for kind in EVENT_TYPES.values():
        union = union | kind
    return union


_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(_union())

encode = _ENCODER.encode
"""An event as the bytes of its line, without the newline: keys sorted, compact, UTF-8 (RFC 8785)."""

encode_lines = _ENCODER.encode_lines
"""Events as the bytes of their lines, each with its newline."""

decode = _DECODER.decode
"""The event in a line; raises ValueError (msgspec.DecodeError, UnicodeDecodeError) for any other line."""


def leaf_hash(line: bytes) -> str:
    """The hash of a line without its newline, in hex: SHA-256(0x00 ‖ line), as in RFC 9162, 2.1.1."""
    return hashlib.sha256(b"\x00" + line).hexdigest()


def events_schema() -> JSONObject:
    """The JSON Schema (2020-12) of one line of the stream."""
    schema = msgspec.json.schema(_union())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "marketsim event", **schema}
