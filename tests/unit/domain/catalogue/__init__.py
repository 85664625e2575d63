"""Tests of `unit/domain/catalogue`."""
