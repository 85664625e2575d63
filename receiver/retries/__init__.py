"""The retry queue: what may be sent again, when, and by which claimer."""
