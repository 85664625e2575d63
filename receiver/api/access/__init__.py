"""Checks that every request to the private API passes before it reaches an endpoint."""
