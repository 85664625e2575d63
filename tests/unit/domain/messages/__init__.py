"""Tests of `unit/domain/messages`."""
