"""What a check has against a stream: a value that says the rule, the place, the evidence and the remedy."""

import msgspec

__all__ = ["ERROR", "WARNING", "Finding"]

ERROR = "error"
"""The severity of what must not be: a rule is broken."""

WARNING = "warning"
"""The severity of what waits for a person, who has been asked or has to look."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong, in words for a tired operator.

    ``severity`` is ERROR or WARNING; ``seq`` and ``line`` are numbers from 1, and 0 where there is
    none; ``difference`` is between ``expected`` and ``actual``, where they are amounts. ``file`` is
    relative to the market, such as ``audit/000001.jsonl``.
    """

    rule: str
    severity: str
    message: str
    seq: int = 0
    line: int = 0
    file: str = ""
    transaction: str = ""
    operation: str = ""
    expected: str = ""
    actual: str = ""
    difference: str = ""
    remedy: str = ""
