"""Tests of `unit/huawei`."""
