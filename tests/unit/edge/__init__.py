"""Tests of `unit/edge`."""
