"""Logs on their way in: one module for each format, and what a history of another engine becomes here."""
