"""The stock's row is read, changed and written back whole: one customer overwrites the other's sale."""

from corpus.bookshop import SHELF, SOLD, giving_back, goods, on_shelf
from corpus.expected import BOB, CEM, Wrong

from marketsim.saga import Call, Saga

saga = Saga("lost-update", "The row of the stock, without a lock or a version.")


@saga.operation(service="stockroom", kind="read_only")
def read_row(call: Call) -> dict:
    """Read how many there are."""
    return {"on_shelf": on_shelf(call)}


@saga.operation(service="stockroom")
def write_row(call: Call) -> dict:
    """Write how many are left of those that were read."""
    quantity = call.request["quantity"]
    left = call.results["read_row"]["on_shelf"] - quantity
    if call.key not in call.world.keys:
        call.post(goods(on_shelf(call) - left, SHELF, SOLD))
    return {"quantity": quantity}


write_row.compensation(giving_back("rewrite_row"))

EXPECTED = Wrong(
    saga=saga, rule="belief-is-truth", preemptions=1, turns={"tx-1/read_row@1/turn": 1}, requests=(BOB, CEM)
)
