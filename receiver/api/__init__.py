"""The private API: look-ups, registrations, retries, suppressions, exports."""
