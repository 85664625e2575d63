"""Suppressions in the store."""
