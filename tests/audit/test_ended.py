"""Which transactions have ended: by number, by name, and in how many bytes."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from marketsim.audit.ended import Ended

NAMES = st.one_of(
    st.integers(-1, 40_000).map("tx-{}".format),
    st.sampled_from(["tx-01", "tx-", "tx-²", "tx-1 ", "order-1", "", "tx-99999999999999999999"]),
)


@given(st.dictionaries(NAMES, st.booleans(), max_size=20), NAMES)
def test_every_name_is_told_from_every_other(ends, asked):
    ended = Ended()
    for name, committed in ends.items():
        ended.add(name, committed=committed)
    for name in {asked, *ends}:
        said = {True: "committed", False: "otherwise", None: ""}[ends.get(name)]
        assert ended.end_of(name) == said


def test_a_transaction_that_has_ended_takes_little_more_than_a_byte():
    ended = Ended()
    for number in range(1, 100_001):
        ended.add(f"tx-{number}", committed=True)
    assert sys.getsizeof(ended._counted) < 120_000
    assert ended._named == {}
