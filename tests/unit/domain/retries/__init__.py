"""Tests of `unit/domain/retries`."""
