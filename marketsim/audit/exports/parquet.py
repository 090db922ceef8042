"""The log as a Parquet file, with the columns of the table."""

from collections.abc import Iterable, Iterator

from marketsim.audit.exports.rows import COLUMNS, NUMBERS, rows
from marketsim.audit.exports.tables import parquet_of
from marketsim.audit.redaction import Record
from marketsim.saga.events import JSONObject

__all__ = ["parquet"]

_KINDS = {each: "BIGINT" if each in NUMBERS else "VARCHAR" for each in COLUMNS} | {"time": "TIMESTAMPTZ"}


def parquet(records: Iterable[Record], header: JSONObject) -> Iterator[bytes]:
    """Yield a Parquet file in pieces; ``time`` is a timestamp in UTC, with microseconds.

    Raises InputError where the extra ``parquet`` is not installed.
    """
    return parquet_of(_KINDS, rows(records))
