"""Tests of `unit/settings`."""
