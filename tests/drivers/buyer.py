"""A process that buys one laptop after the other, opens the market anew for each, and tells how it ended.

Its arguments are the path of the market, and how many to buy.
"""

import sys
from pathlib import Path

from drivers.runs import began

from marketsim.drivers.live import live_driver, transact
from marketsim.market.directory import open_market
from marketsim.market.purchase import purchase
from marketsim.saga.policies import POLICIES


def main(path: Path, count: int) -> None:
    for _ in range(count):
        with open_market(path) as market:
            request = began(number=market.world.transactions + 1)
            driver = live_driver(market.log, market.world, market.log.position.time)
            print(transact(driver, purchase, POLICIES["default"], request).type)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
