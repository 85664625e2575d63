"""The database beneath the store: engines, column types, upgrades, driver errors."""
