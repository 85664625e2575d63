"""Tests of `unit/app`."""
