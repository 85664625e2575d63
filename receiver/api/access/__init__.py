"""What a request to the private API passes before an endpoint sees it."""
