"""Explorations for other programs: pure functions from what is told to text."""
