"""Tests of `unit/domain/privacy`."""
