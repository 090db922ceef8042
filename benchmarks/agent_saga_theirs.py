"""What agent-saga says of a saga: its own prover, by its documented interface, and then a real timeout.

Runs where `agent-saga` is installed, and needs nothing else. Prints one JSON document.
"""

import asyncio
import json
import logging
from importlib.metadata import version
from typing import Any

from agent_saga import ActionSemantics, Compensation, SagaAborted, prove_rollback, saga_scope

PRICE_MINOR = 7500

world: dict[str, Any] = {}


def reset() -> None:
    """Five books on the shelf, and nothing in the till."""
    world.clear()
    world.update(shelf=5, till_minor=0, charges={})


def snapshot() -> dict[str, Any]:
    """What the prover compares."""
    return {"shelf": world["shelf"], "till_minor": world["till_minor"]}


async def reserve_stock() -> dict[str, Any]:
    """Take a book off the shelf."""
    world["shelf"] -= 1
    return {"reservation": "r-1"}


async def release_stock(reservation: str) -> None:
    """Put it back."""
    world["shelf"] += 1


async def charge(order: str, *, hangs: bool) -> dict[str, Any]:
    """Take the money; the answer may be lost."""
    world["charges"][f"ch-{order}"] = PRICE_MINOR
    world["till_minor"] += PRICE_MINOR
    if hangs:
        await asyncio.sleep(60)
    return {"id": f"ch-{order}"}


async def refund(charge_id: str) -> None:
    """Give the money of a charge back, once."""
    world["till_minor"] -= world["charges"].pop(charge_id, 0)


def scenario(refunds: str, *, hangs: bool = False) -> Any:
    """The saga: the refund takes the charge's id from the ``answer``, or from the ``order``, known before."""

    def by_answer(result: Any) -> Compensation:
        return Compensation(fn=refund, handler="refund", kwargs={"charge_id": result["id"]})

    def by_order(result: Any) -> Compensation:
        return Compensation(fn=refund, handler="refund", kwargs={"charge_id": "ch-order-1"})

    async def buy(saga: Any) -> None:
        await saga.execute(
            tool="reserve_stock",
            semantics=ActionSemantics.COMPENSABLE,
            forward=reserve_stock,
            compensate=lambda result: Compensation(
                fn=release_stock, handler="release", kwargs={"reservation": result["reservation"]}
            ),
        )
        await saga.execute(
            tool="charge",
            semantics=ActionSemantics.COMPENSABLE,
            forward=charge,
            forward_kwargs={"order": "order-1", "hangs": hangs},
            compensate=by_answer if refunds == "answer" else by_order,
            timeout=0.05,
        )

    return buy


async def timed_out(refunds: str) -> dict[str, Any]:
    """What is left when the charge's answer does not come in time, and what the engine reports."""
    reset()
    try:
        async with saga_scope(name="buy") as saga:
            await scenario(refunds, hangs=True)(saga)
    except SagaAborted as aborted:
        return {"world": snapshot(), "report": aborted.report.summary()}
    raise SystemExit("the charge did not time out")


async def said(refunds: str) -> dict[str, Any]:
    """The prover's verdict on one way to refund, and what really happens."""
    proof = await prove_rollback(scenario(refunds), snapshot=snapshot, reset=reset)
    return {"proven": proof.proven, "text": proof.format_text(), **await timed_out(refunds)}


async def long_way(saga: Any) -> None:
    """Sixty-five books off the shelf, of which the last is never put back."""

    async def nothing() -> None:
        pass

    for number in range(1, 66):
        await saga.execute(
            tool=f"reserve_{number}",
            semantics=ActionSemantics.REVERSIBLE,
            forward=reserve_stock,
            compensate=lambda result, number=number: (
                Compensation(fn=nothing)
                if number == 65
                else Compensation(fn=release_stock, kwargs={"reservation": result["reservation"]})
            ),
        )


async def main() -> None:
    """Both ways to refund, and a saga that is longer than what the prover looks at."""
    logging.getLogger("agent_saga").setLevel(logging.CRITICAL)
    ways = {refunds: await said(refunds) for refunds in ("answer", "order")}
    proof = await prove_rollback(long_way, snapshot=snapshot, reset=reset)
    beyond = {"steps": proof.steps, "proven": proof.proven}
    print(json.dumps({"version": version("agent-saga"), "beyond": beyond, **ways}))


asyncio.run(main())
