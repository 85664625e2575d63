"""Why a message is what it is."""
