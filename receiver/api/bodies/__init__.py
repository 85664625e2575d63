"""Request and response bodies of the private API."""
