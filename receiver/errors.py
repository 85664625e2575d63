"""The handful of failures that our parts report to each other."""


class ReceiverError(Exception):
    """Something an operator or a caller can act on; the text says what to do."""


class SettingsError(ReceiverError):
    """The configuration cannot be used; the text lists every problem at once."""


class DataDirectoryError(ReceiverError):
    """The data directory cannot be used, for example because another process holds it."""


class InUseError(DataDirectoryError):
    """Another process holds it."""


class JournalUnavailableError(ReceiverError):
    """The journal could not make an entry durable; nothing was acknowledged."""


class JournalDamagedError(JournalUnavailableError):
    """The journal's file is damaged where it was to be read or written."""


class StoreUnavailableError(ReceiverError):
    """The store cannot be read or written now."""


class StoreDamagedError(StoreUnavailableError):
    """The store is damaged: nothing is written to it until it has been replaced."""


class StoreRejectedError(ReceiverError):
    """The store is reachable but refused a value; trying again would not help."""
