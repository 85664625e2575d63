"""What status codes mean."""
