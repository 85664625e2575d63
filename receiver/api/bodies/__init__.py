"""Bodies of the private API: requests that are read, and answers that are written."""
