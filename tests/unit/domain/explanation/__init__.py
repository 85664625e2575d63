"""Tests of `unit/domain/explanation`."""
