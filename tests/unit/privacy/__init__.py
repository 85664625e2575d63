"""Tests of `unit/privacy`."""
