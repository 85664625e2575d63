"""Tests of `unit/client`."""
