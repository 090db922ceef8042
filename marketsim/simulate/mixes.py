"""Mixes of fault rates by name, each rate with where it comes from."""

import msgspec

__all__ = ["MIXES", "Mix", "Share"]


class Share(msgspec.Struct, frozen=True):
    """One fault of a mix, as it is typed, and the source of its rate in words."""

    fault: str
    source: str


class Mix(msgspec.Struct, frozen=True):
    """A mix of faults: what goes wrong on a certain kind of day."""

    name: str
    sentence: str
    shares: tuple[Share, ...]


MIXES: dict[str, Mix] = {}
"""Every mix by its name."""
