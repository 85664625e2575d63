"""Tests of `unit/api/bodies`."""
