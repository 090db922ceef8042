"""A process that is killed at a boundary of its own choosing; many of them, forked from one that waits.

Each line of input is a job in JSON: ``path`` of the market, ``work`` (a name in WORK),
``at`` (the event at which to die, from 1), and ``moment``: ``before`` it is written, in the ``middle``
of its line, or ``after`` it is on disk. Each line of output is how the job ended: the signal that
killed it, or 0 if there were not that many events.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from drivers.runs import began, checkout_began

from marketsim.audit.log import LogWriter, read_events
from marketsim.drivers.live import live_driver, recover, transact
from marketsim.drivers.recovery import open_transactions
from marketsim.market.directory import Market, open_market
from marketsim.market.purchase import purchase
from marketsim.market.sagas import saga_of
from marketsim.saga.events import Event
from marketsim.saga.policies import POLICIES

PURCHASES: list[tuple[str, ...]] = [
    ("payment:card_declined",),
    (),
    ("place_order:timeout_after", "find_order:timeout_before", "refund_payment:error@1"),
]
"""The faults of each purchase: one is declined after the reservation, one commits, one is reverted whole."""


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class MortalWriter:
    """A log that kills its process at one event."""

    def __init__(self, log: LogWriter, at: int, moment: str) -> None:
        self.log = log
        self.left = at
        self.moment = moment

    def append(self, event: Event) -> None:
        self.left -= 1
        if self.left == 0 and self.moment == "before":
            kill()
        if self.left == 0 and self.moment == "middle":
            os.write = write_half
        self.log.append(event)
        if self.left == 0:
            kill()

    def flush(self) -> None:
        self.log.flush()


def write_half(file: int, data: Any) -> int:
    os.pwrite(file, bytes(data[: len(data) // 2]), os.lseek(file, 0, os.SEEK_CUR))
    kill()
    return 0


def purchases(market: Market, log: MortalWriter) -> None:
    for number, faults in enumerate(PURCHASES, 1):
        driver = live_driver(log, market.world, market.log.position.time)
        transact(driver, purchase, POLICIES["default"], began(*faults, number=number, seed=number))


def checkout(market: Market, log: MortalWriter) -> None:
    driver, wanted = live_driver(log, market.world, market.log.position.time), checkout_began()
    transact(driver, saga_of(wanted), POLICIES["default"], wanted)


def recovery(market: Market, log: MortalWriter | LogWriter, *, back: bool = False) -> None:
    left = open_transactions(read_events(market.path / "audit"))
    recover(live_driver(log, market.world, market.log.position.time), left, saga_of, back=back)


WORK = {"purchases": purchases, "checkout": checkout, "recover": recovery}


def work(job: dict[str, Any]) -> None:
    recovers = job["work"] == "recover"
    with open_market(Path(job["path"]), durability="each", whole=recovers) as market:
        log = MortalWriter(market.log, job["at"], job["moment"])
        WORK[job["work"]](market, log)


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                work(json.loads(line))
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        _, status = os.waitpid(child, 0)
        print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status), flush=True)


if __name__ == "__main__":
    main()
