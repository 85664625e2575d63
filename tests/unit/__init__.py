"""Tests of `unit`."""
