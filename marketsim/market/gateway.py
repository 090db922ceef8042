"""The simulated payment gateway: charges, authorizations and refunds, under a provider's rules for keys."""

from datetime import datetime

import msgspec

from marketsim.market.effects import check_fence, done_already, give_back, post_next, totals, what_is_whole
from marketsim.market.ledger import AUTHORIZED, MERCHANT, customer_account, money
from marketsim.market.money import format_minor
from marketsim.saga.definition import SECOND_US, Call, Retry
from marketsim.saga.errors import Aborted, Failed, InputError, Unknown, nearest, quoted
from marketsim.saga.events import JSONObject, LedgerPosted, ServiceNoted
from marketsim.saga.fault import SETTLED

__all__ = [
    "DEFAULT_RULE",
    "PAYMENT_RETRY",
    "PENDING_MAX_US",
    "REFUND_TTL_US",
    "RULES",
    "Rule",
    "authorize",
    "capture",
    "charge",
    "payment_status",
    "refund",
    "rule_named",
]

_HOUR_US = 3600 * SECOND_US

PENDING_MAX_US = _HOUR_US // 4
"""How long a payment may be pending, in microseconds."""

REFUND_TTL_US = 180 * 24 * _HOUR_US
"""How long after a charge it can be refunded, in microseconds: 180 days."""

PAYMENT_RETRY = Retry(attempts_max=4, delay_us=2 * SECOND_US, elapsed_max_us=120 * SECOND_US)
"""How often the gateway is asked about one payment: four times, within two minutes."""


class Rule(msgspec.Struct, frozen=True):
    """How a provider treats a key that it has seen before.

    It remembers a key for ``kept_us`` microseconds (0: not at all). ``replays_errors``: whether an error
    is answered again, or the request made again; ``minds_body``: whether another amount under the same
    key is refused, or answered with what was cached.
    """

    name: str
    sentence: str
    kept_us: int
    replays_errors: bool = True
    minds_body: bool = True


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "stripe",
            "Every answer is replayed for 24 hours, errors too; another body under the key is refused.",
            24 * _HOUR_US,
        ),
        Rule(
            "cache_2xx",
            "Successes are replayed for 24 hours; what was answered with an error is done again.",
            24 * _HOUR_US,
            replays_errors=False,
        ),
        Rule(
            "lenient_30m",
            "Every answer is replayed for 30 minutes, whatever the body is.",
            _HOUR_US // 2,
            minds_body=False,
        ),
        Rule("none", "Keys are ignored: each request is a new one.", 0),
    )
}
"""The rules of payment providers for idempotency keys, by name."""

DEFAULT_RULE = "stripe"


def rule_named(name: str) -> Rule:
    """The provider's rules of this name. Raises InputError, naming the nearest ones."""
    rule = RULES.get(name)
    if rule is None:
        raise InputError(f"no rules of a gateway are called {quoted(name)}", todo=nearest(name, RULES))
    return rule


def charge(call: Call, customer: str, amount_minor: int, currency: str) -> JSONObject:
    """Take money from the customer, who may not have all of it."""
    return _take(call, amount_minor, currency, customer_account(customer), MERCHANT)


def authorize(call: Call, customer: str, amount_minor: int, currency: str) -> JSONObject:
    """Hold money of the customer, to be captured or voided later."""
    return _take(call, amount_minor, currency, customer_account(customer), AUTHORIZED)


def capture(call: Call, authorized_by: str, customer: str) -> JSONObject:
    """Take what the operation ``authorized_by`` holds and was not captured yet."""
    authorized = call.results[authorized_by]
    wanted_minor, currency = int(authorized["amount_minor"]), str(authorized["currency"])
    if call.fault == "authorization_expired":
        _let_go(call, authorized_by, customer, currency)
    captured = totals(call.world.standing(call.transaction, call.operation))
    rest_minor = wanted_minor - int(captured.get("amount_minor", 0))
    if rest_minor > call.world.held(call.transaction, AUTHORIZED, currency):
        raise Failed("authorization_expired", "what was authorized is not held any more")
    part_minor = _larger_half(rest_minor) if call.fault == "partial_capture" else rest_minor
    if captured and part_minor:
        post_next(call, money(part_minor, currency, AUTHORIZED, MERCHANT))
    elif part_minor:
        _take(call, part_minor, currency, AUTHORIZED, MERCHANT)
    if part_minor < rest_minor:
        taken_minor = wanted_minor - rest_minor + part_minor
        part = f"{format_minor(taken_minor, currency)} of {format_minor(wanted_minor, currency)}"
        raise Unknown("partial_capture", f"{part} were captured")
    return {"amount_minor": wanted_minor, "currency": currency}


def _let_go(call: Call, authorized_by: str, customer: str, currency: str) -> None:
    held_minor = call.world.held(call.transaction, AUTHORIZED, currency)
    if held_minor:
        back = money(held_minor, currency, AUTHORIZED, customer_account(customer))
        call.taken_back(authorized_by, back, "expired")


def refund(call: Call) -> JSONObject:
    """Give back what was taken: all that stands, once. A payment that is pending may still settle."""
    if call.fault == "refund_pending_then_failed":
        if call.attempt == 1:
            raise Unknown("refund_pending", "the refund is pending")
        raise Failed("refund_failed", "the refund was pending, and failed")
    # A provider that knows no keys cannot refuse what arrives late, nor what its bank settles by itself.
    pending = call.world.noted(call.transaction, call.operation, "pending")
    fences = bool(_rule(call).kept_us) and not pending
    back = totals(give_back(call, fences=fences))
    given: JSONObject = {"amount_minor": 0, "currency": call.world.currency} | back
    if pending:
        given["awaits_us"] = PENDING_MAX_US
    return given


def payment_status(call: Call, wanted_minor: int) -> JSONObject:
    """What the gateway has of a payment; for a probe.

    Raises Unknown while it is pending, and Failed if it has less than ``wanted_minor``.
    """
    if call.world.noted(call.transaction, call.operation, "pending"):
        raise Unknown("pending", "the payment has not settled yet")
    return what_is_whole(call, "amount_minor", wanted_minor, fences=bool(_rule(call).kept_us))


def _rule(call: Call) -> Rule:
    return rule_named(call.began.services.get("payment", DEFAULT_RULE))


def _take(call: Call, amount_minor: int, currency: str, source: str, target: str) -> JSONObject:
    """Move money at the customer's cost, once under a key as far as the provider remembers it."""
    rule = _rule(call)
    taken: JSONObject = {"amount_minor": amount_minor, "currency": currency}
    if call.fault == SETTLED:
        if done_already(call):
            return taken
        if not call.world.noted(call.transaction, call.operation, "settled"):
            call.note("settled")
    elif rule.kept_us:
        check_fence(call)
        if _answered_before(call, rule, amount_minor):
            return taken
    if call.fault == "late_success":
        call.note("pending")
        raise Unknown("late_success", "the payment is pending")
    part_minor = _larger_half(amount_minor) if call.fault == "partial_authorization" else amount_minor
    postings = money(part_minor, currency, source, target)
    call.post(postings)
    if call.fault == "key_replayed" and not rule.kept_us:
        call.post(postings)
    if call.fault in ("cached_error", "server_error_after"):
        call.note("answered_500")
        raise Unknown(call.fault, "the provider answered 500, after the effect")
    if part_minor < amount_minor:
        call.note("partial")
        raise _partly(amount_minor, currency)
    return taken


def _larger_half(amount_minor: int) -> int:
    return amount_minor - amount_minor // 2


def _partly(amount_minor: int, currency: str) -> Aborted:
    """What a card is answered that covers a part only."""
    part_minor = _larger_half(amount_minor)
    payload: JSONObject = {"amount_minor": part_minor, "wanted_minor": amount_minor, "currency": currency}
    part = f"{format_minor(part_minor, currency)} of {format_minor(amount_minor, currency)}"
    return Aborted(f"only {part} were taken", payload)


def _answered_before(call: Call, rule: Rule, amount_minor: int) -> bool:
    """Whether the provider remembers the key, and answers as it did: by raising what it said, perhaps."""
    if call.fault == "key_reused":
        if rule.minds_body:
            raise Failed("key_reused", "the key was used before, with another body")
        return True
    if call.world.noted(call.transaction, call.operation, "pending"):
        raise Unknown("pending", "the payment has not settled yet")
    known = call.world.effect(LedgerPosted, call.key)
    if known is None or call.fault == "key_expired" or _age_us(known.time, call) >= rule.kept_us:
        return False
    answer = call.world.effect(ServiceNoted, call.key)
    if answer is not None and answer.note == "answered_500":
        if rule.replays_errors:
            raise Unknown("cached_error", "the provider replays the 500 that it answered before")
        return False
    if call.world.noted(call.transaction, call.operation, "partial"):
        raise _partly(amount_minor, call.world.currency)
    if rule.minds_body and amount_minor not in {line.amount for line in known.postings}:
        raise Failed("key_reused", "the key was used before, with another amount")
    return True


def _age_us(time: str, call: Call) -> int:
    seconds = datetime.fromisoformat(time).timestamp()
    return call.now_us - int(seconds * 1_000_000)
