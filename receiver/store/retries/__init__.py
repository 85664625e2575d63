"""The retry queue in the store."""
