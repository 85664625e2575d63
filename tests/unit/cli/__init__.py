"""Tests of `unit/cli`."""
