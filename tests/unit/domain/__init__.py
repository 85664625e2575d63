"""Tests of `unit/domain`."""
