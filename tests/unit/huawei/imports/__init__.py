"""Tests of `unit/huawei/imports`."""
