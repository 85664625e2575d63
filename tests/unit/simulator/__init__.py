"""Tests of `unit/simulator`."""
