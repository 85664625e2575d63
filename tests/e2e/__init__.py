"""End-to-end tests: real processes, real ports, real files, real signals."""
