"""Tests of `integration/store`."""
