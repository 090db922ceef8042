"""What every service does with its effects: looks for them under a key, gives them back, refuses the late."""

from collections.abc import Iterable

from marketsim.market.ledger import reversed_postings
from marketsim.saga.definition import Call
from marketsim.saga.errors import NEVER_ARRIVED, NOTHING_STANDS, RETURNED_TOO_MUCH, Failed, Partial
from marketsim.saga.events import JSONObject, LedgerPosted, Posting, ServiceNoted

__all__ = ["check_fence", "done_already", "give_back", "post_next", "totals", "what_is_whole", "what_stands"]


def done_already(call: Call) -> bool:
    """Whether the call's key has its effect in the ledger."""
    return call.world.effect(LedgerPosted, call.key) is not None


def check_fence(call: Call) -> None:
    """Refuse a request whose revert was here first. Raises Failed."""
    if call.world.fenced(call.transaction, call.operation):
        raise Failed("fenced", "its revert was here first")


def post_next(call: Call, postings: Iterable[Posting]) -> LedgerPosted:
    """Post what is done bit by bit, each bit under a key of its own."""
    return call.post(postings, part=call.world.parts(call.transaction, call.operation, call.compensation) + 1)


def give_back(call: Call, *, fences: bool = True) -> list[Posting]:
    """Post the reverse of what stands of the operation; the lines that it undoes.

    Where the operation never arrived it is fenced (if the service ``fences``), to be refused if it does.
    Raises Failed if the transaction no longer holds what is to be taken back: while an order stands, the
    units it sold cannot be put on sale again. Raises Partial where only a part is given back.
    """
    world, operation = call.world, call.operation
    whole: list[Posting] = world.done(call.transaction, operation)
    if whole and call.fault == "not_idempotent":
        post_next(call, reversed_postings(whole))
        return whole
    standing: list[Posting] = world.standing(call.transaction, operation)
    if not standing:
        if fences and not whole and not world.effect(ServiceNoted, call.key):
            call.note("fenced")
        # Asked again, it answers what it did.
        return whole if world.parts(call.transaction, operation, call.compensation) else []
    lines = _part(standing, call.fault)
    for line in lines:
        if line.amount > world.held(call.transaction, line.account, line.unit) and line.amount > 0:
            raise Failed("not_held", f"{line.account} no longer holds {line.amount} {line.unit}")
    if lines:
        post_next(call, reversed_postings(lines))
    if call.fault in ("delivered_twice", "refund_double"):
        call.fault = ""
        give_back(call)
    if call.fault in ("revert_partial", "refund_partial"):
        raise Partial(totals(lines), totals(world.standing(call.transaction, operation)))
    return lines


def _part(lines: list[Posting], fault: str) -> list[Posting]:
    """The lines that are given back: all of them, unless a fault has it otherwise."""
    if fault == "wrong_amount":
        shares = [(line, _half(line) if line.currency else _sign(line.amount)) for line in lines]
    elif fault in ("revert_partial", "refund_partial"):
        shares = [(line, _half(line)) for line in lines]
    else:
        return lines
    return [
        Posting(
            line.account,
            amount_minor=amount if line.currency else 0,
            currency=line.currency,
            product=line.product,
            quantity=0 if line.currency else amount,
        )
        for line, amount in shares
        if amount
    ]


def _half(line: Posting) -> int:
    return _sign(line.amount) * (abs(line.amount) // 2)


def _sign(amount: int) -> int:
    return 1 if amount > 0 else -1


def totals(lines: Iterable[Posting]) -> JSONObject:
    """How much lines move, in units and in minor units of money."""
    counted: JSONObject = {}
    for line in lines:
        if line.amount_minor > 0 and line.currency:
            counted["amount_minor"] = counted.get("amount_minor", 0) + line.amount_minor
            counted["currency"] = line.currency
        elif line.quantity > 0 and not line.currency:
            counted["quantity"] = counted.get("quantity", 0) + line.quantity
    return counted


def what_stands(call: Call, *, fences: bool = True) -> list[Posting]:
    """What stands of the operation; for a probe.

    Raises Failed if nothing does (NOTHING_STANDS; NEVER_ARRIVED where the service, which ``fences``, has
    seen neither the operation nor its revert), or if more was given back than was taken.
    """
    world, here = call.world, (call.transaction, call.operation)
    standing: list[Posting] = world.standing(*here)
    done: list[Posting] = world.done(*here)
    if not standing:
        if fences and not done and not world.fenced(*here):
            raise Failed(NEVER_ARRIVED, "the service has not seen it yet")
        raise Failed(NOTHING_STANDS, "the service has nothing of it")
    moved = {(line.account, line.unit): line.amount for line in done}
    if any(line.amount * moved.get((line.account, line.unit), 0) <= 0 for line in standing):
        raise Failed(RETURNED_TOO_MUCH, "more was given back than was taken")
    return standing


def what_is_whole(call: Call, unit: str, wanted: int, *, fences: bool = True) -> JSONObject:
    """What stands of the operation, for a probe; raises Failed as well if it is less than was wanted."""
    if not wanted:
        raise Failed(NOTHING_STANDS, "there was nothing to be done")
    found = totals(what_stands(call, fences=fences))
    if found.get(unit, 0) < wanted:
        raise Failed("partly_done", "only a part of it was done")
    return found
