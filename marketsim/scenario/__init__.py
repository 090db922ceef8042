"""Scenario files: purchases, the faults that strike them, and what must be true afterwards."""

__all__: list[str] = []
