"""The engine sorts the ids of steps as text: with eleven parcels, number 10 is reverted after number 2."""

from corpus.bookshop import SHELF, SOLD, goods
from corpus.expected import Wrong

from marketsim.drivers.books import give_back, take
from marketsim.saga import Call, Saga

saga = Saga("ids-as-text", "Eleven parcels, packed one after another.")


def pack(call: Call) -> dict:
    """Pack one."""
    take(call, goods(1, SHELF, SOLD))
    return {}


def unpack(call: Call) -> dict:
    """Put it back on the shelf."""
    return give_back(call)


for number in range(1, 12):
    saga.operation(service="packing", of=str(number))(pack).compensation(unpack)


EXPECTED = Wrong(
    saga=saga,
    rule="reverts-in-order",
    faults=1,
    shown_by=("pack.11:card_declined",),
    policy="orra",
    units=11,
)
