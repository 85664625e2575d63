"""The fault harness: break what the receiver stands on, then audit what it kept."""
