"""Texts for people, in each language."""
