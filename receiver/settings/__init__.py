"""Settings: from `RECEIVER_*` in the environment, then a TOML file, then the defaults."""

from receiver.settings.fields import split_address
from receiver.settings.loading import load, secrets_in, unknown_variables
from receiver.settings.model import (
    DEFAULT_APPLICATION,
    PREFIX,
    Settings,
    describe,
    weak_secrets,
)
from receiver.settings.retry import RetrySettings
from receiver.settings.sections import (
    ApiKey,
    Application,
    JournalSettings,
    ProjectorSettings,
    RetentionSettings,
    Scope,
    SilenceSettings,
    UplinkSettings,
)

__all__ = [
    "DEFAULT_APPLICATION",
    "PREFIX",
    "ApiKey",
    "Application",
    "JournalSettings",
    "ProjectorSettings",
    "RetentionSettings",
    "RetrySettings",
    "Scope",
    "Settings",
    "SilenceSettings",
    "UplinkSettings",
    "describe",
    "load",
    "secrets_in",
    "split_address",
    "unknown_variables",
    "weak_secrets",
]
