"""Tests of `unit/domain/suppressions`."""
