"""Tests of `unit/api/access`."""
