"""Tests of `unit/api`."""
