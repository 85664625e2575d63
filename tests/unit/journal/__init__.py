"""Tests of `unit/journal`."""
