"""Masking of personal data, and finding phone numbers in texts."""
