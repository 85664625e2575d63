"""Tests of `unit/http`."""
