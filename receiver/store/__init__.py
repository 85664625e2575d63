"""The store: queryable state, SQLite by default, PostgreSQL for several nodes."""
