"""Tests of `unit/domain/wording`."""
