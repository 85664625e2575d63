"""Tests of `unit/projector`."""
