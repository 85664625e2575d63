"""The two listeners: the public edge that the platform calls, and the private API."""
