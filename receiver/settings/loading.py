"""Reading the settings: from `RECEIVER_*` in the environment, then a TOML file, then defaults."""

import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict

from receiver.errors import SettingsError
from receiver.settings.model import PREFIX, Settings

_SECRET = {"api_key", "api_keys", "applications", "callback_token", "push_keys", "store_url"}


def load(config: Path | None = None) -> Settings:
    """Read the settings.

    Args:
        config: a TOML file; None reads the environment alone.

    Raises:
        SettingsError: with every problem, a line each.
    """
    if config is not None and not config.is_file():
        raise SettingsError(f"The configuration file {config} does not exist.")

    class _FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    try:
        return _FromFile()
    except ValidationError as error:
        problems = [_explain(detail) for detail in error.errors(include_input=False)]
        raise SettingsError("\n".join(problems)) from None
    except ValueError as error:  # the TOML itself, or JSON in a variable, cannot be read
        raise SettingsError(_explain_unreadable(error, config)) from None


def secrets_in(config: Path) -> list[str]:
    """Name the settings of a configuration file, which could be read, that are secret."""
    return sorted(_SECRET & tomllib.loads(config.read_text()).keys())


def unknown_variables(environment: Iterable[str] | None = None) -> list[str]:
    """Name the variables that start with our prefix but set nothing: likely typing errors."""
    names = os.environ if environment is None else environment
    return sorted(n for n in names if n.upper().startswith(PREFIX) and not _sets_something(n))


def _sets_something(variable: str) -> bool:
    name, nested, _ = variable.upper().removeprefix(PREFIX).lower().partition("__")
    field = Settings.model_fields.get(name)
    return field is not None and (not nested or isinstance(field.default, BaseModel))


def _explain(detail: ErrorDetails) -> str:
    where = ".".join(str(step) for step in detail["loc"]) or "settings"
    what = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        what = "unknown setting; the README lists all settings"
    return f"{where}: {what}"


def _explain_unreadable(error: ValueError, config: Path | None) -> str:
    # What the parsers say may quote what they read, and that may be a secret.
    if isinstance(error, UnicodeDecodeError):
        return f"{config}: the file is not UTF-8 text"
    if isinstance(error, tomllib.TOMLDecodeError):
        where = re.search(r"\(at [a-z0-9, ]+\)", str(error))
        return f"{config}: not valid TOML {where[0] if where else ''}".rstrip()
    field = re.search('field "([a-z_]+)"', str(error))
    return f"{field[1] if field else 'a variable'}: must be JSON when it is set by the environment"
