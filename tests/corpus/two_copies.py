"""Two services each write their own copy of the stock: an old one is put over what the other sold."""

from corpus.bookshop import SHELF, SOLD, goods, on_shelf
from corpus.expected import Wrong

from marketsim.saga import Call, Operation, Saga

saga = Saga("two-copies", "The shop and the warehouse count the same shelf.")


def read_copy(call: Call) -> dict:
    """Read how many there are, into a copy of one's own."""
    return {"on_shelf": on_shelf(call)}


def write_copy(call: Call) -> dict:
    """Write the copy, less one."""
    mine = call.operation.partition(".")[2]
    left = call.results[f"read_copy.{mine}"]["on_shelf"] - 1
    if call.key not in call.world.keys:
        call.post(goods(on_shelf(call) - left, SHELF, SOLD))
    return {"quantity": 1}


def counting(name: str, after: list[Operation]) -> None:
    """Have a service count for itself."""
    read = saga.operation(service=name, kind="read_only", after=after, of=name)(read_copy)
    saga.operation(service=name, after=[read], of=name)(write_copy)


counting("shop", [])


@saga.operation(service="warehouse", kind="read_only", after=[])
def wake_warehouse(call: Call) -> dict:
    """The warehouse takes its time: when it reads, the shop has long written."""
    return {}


counting("warehouse", [wake_warehouse])

EXPECTED = Wrong(saga=saga, rule="belief-is-truth", faults=1, shown_by=("write_copy.shop:gateway_down@1",))
