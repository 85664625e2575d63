"""Retention, and erasing a person: from the store, from the journal, and the proof of it."""
