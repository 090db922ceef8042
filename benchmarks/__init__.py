"""Benchmarks: every figure is a ratio of two things that were measured side by side in one run."""
