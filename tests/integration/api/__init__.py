"""Tests of `integration/api`."""
