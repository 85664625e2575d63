"""Suppressions: opt-outs, codes, and manual entries."""
