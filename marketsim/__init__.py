"""Simulate and audit marketplace purchases: break them on purpose, revert them, prove the books balance."""

__version__ = "0.1.0"
