"""Mistakes in a saga that need no run: the rules, and what they look at."""
