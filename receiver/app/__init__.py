"""The composition root: one node, put together from the settings, and its listeners."""
