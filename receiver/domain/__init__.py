"""The domain: pure values and functions, no I/O, no clock, no asyncio."""
