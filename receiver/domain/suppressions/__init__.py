"""Whom not to send to: opt-outs, codes, and what operators set."""
