"""Retention, and erasure of a person from the store and the journal, with proof."""
