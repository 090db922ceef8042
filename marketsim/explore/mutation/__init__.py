"""Sagas made wrong on purpose: the operators, what they make, and who notices it."""
