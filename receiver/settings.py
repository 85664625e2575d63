"""Settings: from `RECEIVER_*` in the environment, then a TOML file, then the defaults."""

import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from receiver.datadir import is_secret
from receiver.domain import optouts
from receiver.domain.languages import Language
from receiver.domain.messages import LateDelivered
from receiver.errors import SettingsError
from receiver.store.store import check_url, default_url

PREFIX = "RECEIVER_"
DEFAULT_APPLICATION = "default"
_WEAK_BELOW = 22  # characters: 128 bits of base64; what we make ourselves has 43
_HIGHEST_PORT = 65535
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_A_CENTURY_H = 876_000.0
_A_YEAR_S = 31_536_000
_MANY = 1_000_000_000

Scope = Literal["read", "write", "admin"]


def _check_address(text: str) -> str:
    split_address(text)
    return text


def split_address(text: str) -> tuple[str, int]:
    """Split `host:port` (`[::1]:8080` for IPv6).

    Raises:
        ValueError: it is not of that form.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _HIGHEST_PORT:
        raise ValueError("write host:port, for example 127.0.0.1:8081 or [::1]:8081")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("write an IPv6 address in brackets: [::1]:8081")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)  # noqa: S104 - `:8080` means every address, as elsewhere


def _clash(one: str, other: str) -> bool:
    (host, port), (other_host, other_port) = split_address(one), split_address(other)
    same_host = host == other_host or not {host, other_host}.isdisjoint(_EVERYWHERE)
    return same_host and port == other_port != 0


def _check_secret(secret: SecretStr) -> SecretStr:
    """Allow what stands in a URL and a header as it is; how long it should be is a warning."""
    if not is_secret(secret.get_secret_value()):
        raise ValueError("must be one or more letters, digits, '-', '_', '.' or '~'")
    return secret


Address = Annotated[str, AfterValidator(_check_address)]
Secret = Annotated[SecretStr, AfterValidator(_check_secret)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Application(_Part):
    """One SMS application of the platform."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")
    tokens: list[Secret] = Field(min_length=1)


class ApiKey(_Part):
    """One key of the private API."""

    name: str = Field(min_length=1, max_length=64)
    key: Secret
    scopes: list[Scope] = Field(min_length=1)


class JournalSettings(_Part):
    """How much may wait for the disk."""

    max_waiting: int = Field(default=10_000, ge=1, le=_MANY)
    max_waiting_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, le=_MANY)
    timeout_seconds: float = Field(default=5.0, gt=0, le=3600)


class ProjectorSettings(_Part):
    """How the projector works."""

    batch_rows: int = Field(default=500, ge=1, le=10_000)
    batch_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, le=_MANY)
    slice_milliseconds: float = Field(default=3.0, gt=0, le=1000)
    overdue_after_hours: float = Field(default=73.0, gt=0, le=_A_CENTURY_H)


class RetrySettings(_Part):
    """How long to wait before a retry, where the catalogue names no time of its own."""

    soon_seconds: int = Field(default=60, ge=0, le=_A_YEAR_S)
    later_seconds: int = Field(default=1800, ge=0, le=_A_YEAR_S)
    next_day_seconds: int = Field(default=86_400, ge=0, le=_A_YEAR_S)


class RetentionSettings(_Part):
    """What is kept, and how long."""

    journal_hours: float = Field(default=72.0, gt=0, le=_A_CENTURY_H)
    quarantine_rows: int = Field(default=10_000, ge=1, le=_MANY)
    quarantine_body_bytes: int = Field(default=64 * 1024, ge=0, le=_MANY)


class SilenceSettings(_Part):
    """When an application has heard no report for too long."""

    floor_minutes: float = Field(default=15.0, gt=0, le=60 * _A_CENTURY_H)
    factor: float = Field(default=1.5, ge=1, le=1000)
    days: int = Field(default=8, ge=2, le=366)
    min_heard: int = Field(default=20, ge=2, le=_MANY)


class UplinkSettings(_Part):
    """What people's own SMSs answer and ask for."""

    answer_within_hours: float = Field(default=168.0, gt=0, le=_A_CENTURY_H)
    opt_out_words: list[str] = list(optouts.USUAL_OPT_OUT)
    opt_in_words: list[str] = list(optouts.USUAL_OPT_IN)

    @field_validator("opt_out_words")
    @classmethod
    def _check_opt_out_words(cls, words: list[str]) -> list[str]:
        optouts.fold_words(words)
        return words

    @field_validator("opt_in_words")
    @classmethod
    def _check_opt_in_words(cls, words: list[str], info: ValidationInfo) -> list[str]:
        optouts.make_words(info.data.get("opt_out_words", ()), words)
        return words


class Settings(BaseSettings):
    """Everything that can be set; each name is `RECEIVER_NAME` in the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    data_dir: Path = Path("receiver-data")
    listen: Address = "0.0.0.0:8080"
    api_listen: Address = "127.0.0.1:8081"
    store_url: SecretStr | None = None
    callback_token: Secret | None = None
    api_key: Secret | None = None
    applications: list[Application] = []
    api_keys: list[ApiKey] = []
    max_body_bytes: int = Field(default=64 * 1024, ge=1024, le=_MANY)
    max_head_bytes: int = Field(default=16 * 1024, ge=1024, le=_MANY)
    request_seconds: float = Field(default=10.0, gt=0, le=3600)
    idle_seconds: float = Field(default=10.0, gt=0, le=3600)
    api_max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1024, le=_MANY)
    shutdown_seconds: float = Field(default=8.0, gt=0, le=3600)
    ack: Literal["journal", "store"] = "journal"
    late_delivered: LateDelivered = "wins"
    language: Language = Language.EN
    catalogue_file: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    metrics_need_key: bool = False
    journal: JournalSettings = JournalSettings()
    projector: ProjectorSettings = ProjectorSettings()
    retry: RetrySettings = RetrySettings()
    retention: RetentionSettings = RetentionSettings()
    silence: SilenceSettings = SilenceSettings()
    uplinks: UplinkSettings = UplinkSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file; the file is named by `load`."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @field_validator("store_url")
    @classmethod
    def _check_store_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            try:
                check_url(url.get_secret_value())
            except SettingsError as error:
                raise ValueError(str(error)) from None
        return url

    @field_validator("api_listen")
    @classmethod
    def _check_listeners(cls, address: str, info: ValidationInfo) -> str:
        public = info.data.get("listen")
        if public is not None and _clash(public, address):
            raise ValueError("listen and api_listen are the same address; give each its own port")
        return address

    @field_validator("applications")
    @classmethod
    def _check_applications(
        cls, applications: list[Application], info: ValidationInfo
    ) -> list[Application]:
        _refuse_twins("name", (application.name for application in applications))
        tokens = [t.get_secret_value() for a in applications for t in a.tokens]
        if info.data.get("callback_token") is not None:
            tokens.append(info.data["callback_token"].get_secret_value())
        if len(tokens) != len(set(tokens)):
            raise ValueError("two share a token; each push must lead to one application")
        return applications

    @field_validator("api_keys")
    @classmethod
    def _check_api_keys(cls, keys: list[ApiKey]) -> list[ApiKey]:
        _refuse_twins("name", (key.name for key in keys))
        return keys

    @property
    def effective_store_url(self) -> str:
        """The URL of the store; holds a password when the database needs one."""
        if self.store_url is None:
            return default_url(self.data_dir)
        return self.store_url.get_secret_value()


def _refuse_twins(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the {what} {name!r} stands twice")
        seen.add(name)


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
        what = "there is no such setting; see the table of settings in the README"
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


def weak_secrets(settings: Settings) -> list[str]:
    """Name the secrets that are short enough to be guessed."""
    named = [("callback_token", settings.callback_token), ("api_key", settings.api_key)]
    named += [(f"applications.{a.name}.tokens", t) for a in settings.applications for t in a.tokens]
    named += [(f"api_keys.{k.name}.key", k.key) for k in settings.api_keys]
    return [n for n, secret in named if secret and len(secret.get_secret_value()) < _WEAK_BELOW]


def describe(settings: Settings) -> dict[str, Any]:
    """Give the settings as plain values, secrets masked."""
    return settings.model_dump(mode="json")
