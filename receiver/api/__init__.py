"""The private API: lookups, registrations, retries, suppressions, exports."""
