"""All settings."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from receiver.datadir import TOKEN_FILE
from receiver.domain.messages.state import LateDelivered
from receiver.domain.strength import is_hard_to_guess, is_weak_key
from receiver.domain.wording.languages import Language
from receiver.errors import SettingsError
from receiver.settings.fields import (
    A_CENTURY_H,
    MANY,
    Address,
    KeySecret,
    Secret,
    check_token,
    clash,
    is_loopback,
)
from receiver.settings.retry import RetrySettings
from receiver.settings.sections import (
    ApiKey,
    Application,
    IdempotencySettings,
    JournalSettings,
    ProjectorSettings,
    RetentionSettings,
    SilenceSettings,
    SuppressionSettings,
    UplinkSettings,
)
from receiver.settings.trust import (
    AllowedNetworks,
    ProxyNetworks,
    PushKey,
    PushKeys,
    SignatureSettings,
    is_gated,
)
from receiver.store.database.urls import check_url, default_url

PREFIX = "RECEIVER_"
DEFAULT_APPLICATION = "default"
_ANOTHER_WAY_IN = "create another with `receiver key rotate-callback`"
_REPLACE_KEY = "omit it to have one generated, or create others with `receiver key create`"
_REPLACE_PAIR = "add a second pair with a longer push SK, then change it in the platform's console"


class Settings(BaseSettings):
    """All settings; each name is `RECEIVER_NAME` in the environment."""

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
    push_keys: PushKeys = []
    allow_from: AllowedNetworks = []
    callback_token: Secret | None = None
    api_key: KeySecret | None = None
    applications: list[Application] = []
    trusted_proxies: ProxyNetworks = []
    api_keys: list[ApiKey] = []
    # 50 reports of 731 documented characters. At worst each was mistaken for Latin-1 and is written
    # as three escapes of 6: 50 x (731 x 18 + 160 of names and signs) = 665,900.
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024, le=MANY)
    # One report. At worst each character is six bytes that are escaped twice: 731 x 30 = 21,930.
    max_form_bytes: int = Field(default=64 * 1024, ge=1024, le=MANY)
    max_inflight_body_bytes: int = Field(
        default=64 * 1024 * 1024, ge=2048, le=1000 * MANY, validate_default=True
    )
    cut_off_traces_per_minute: int = Field(default=10, ge=1, le=MANY)
    max_head_bytes: int = Field(default=16 * 1024, ge=1024, le=MANY)
    request_seconds: float = Field(default=10.0, gt=0, le=3600)
    idle_seconds: float = Field(default=10.0, gt=0, le=3600)
    max_headers: int = Field(default=100, ge=10, le=MANY)
    max_connections: int = Field(default=4000, ge=1, le=MANY)
    max_connections_per_peer: int = Field(default=1000, ge=1, le=MANY)
    max_loop_delay_seconds: float = Field(default=2.0, gt=0, le=3600)
    tls_certificate: Path | None = None
    tls_key: Path | None = Field(default=None, validate_default=True)
    api_public: bool = Field(default=False, validate_default=True)
    api_hosts: list[str] = []
    api_trusted_proxies: ProxyNetworks = []
    api_wrong_keys_per_minute: int = Field(default=10, ge=1, le=MANY)
    wrong_tokens_per_minute: int = Field(default=30, ge=1, le=MANY)
    remembered_addresses: int = Field(default=10_000, ge=1, le=MANY)
    right_secret_hours: float = Field(default=24.0, gt=0, le=A_CENTURY_H)
    api_max_connections: int = Field(default=200, ge=1, le=MANY)
    api_request_seconds: float = Field(default=30.0, gt=0, le=3600)
    api_max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1024, le=MANY)
    shutdown_seconds: float = Field(default=8.0, gt=0, le=3600)
    ack: Literal["journal", "store"] = "journal"
    late_delivered: LateDelivered = "wins"
    language: Language = Language.EN
    catalogue_file: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    metrics_need_key: bool = False
    signatures: SignatureSettings = SignatureSettings()
    journal: JournalSettings = JournalSettings()
    projector: ProjectorSettings = ProjectorSettings()
    retry: RetrySettings = RetrySettings()
    retention: RetentionSettings = RetentionSettings()
    idempotency: IdempotencySettings = IdempotencySettings()
    silence: SilenceSettings = SilenceSettings()
    uplinks: UplinkSettings = UplinkSettings()
    suppressions: SuppressionSettings = SuppressionSettings()

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

    @field_validator("max_inflight_body_bytes")
    @classmethod
    def _check_inflight(cls, room: int, info: ValidationInfo) -> int:
        largest = info.data.get("max_body_bytes")
        if largest is not None and room < 2 * largest:
            raise ValueError(f"must be at least twice max_body_bytes, which is {largest}")
        return room

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
        if public is not None and clash(public, address):
            raise ValueError(
                "listen and api_listen are the same address; use a different port for each"
            )
        return address

    @property
    def has_default_application(self) -> bool:
        """Whether pushes are taken for the application without a name.

        A token that was made for it goes on to be taken when applications are named: the platform
        pushes once, to the address that it was given.
        """
        made = self.data_dir / TOKEN_FILE
        return self.callback_token is not None or not self.applications or made.exists()

    @field_validator("callback_token")
    @classmethod
    def _check_callback_token(
        cls, token: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        return token and check_token(token, is_gated=is_gated(info.data))

    @field_validator("api_public")
    @classmethod
    def _check_api_public(cls, public: bool, info: ValidationInfo) -> bool:
        address = info.data.get("api_listen")
        if address is not None and not public and not is_loopback(address):
            raise ValueError(
                f"api_listen is {address}, which other hosts can reach, without TLS. "
                "Listen on 127.0.0.1 behind a proxy with TLS, or set api_public to true"
            )
        return public

    @field_validator("api_hosts")
    @classmethod
    def _check_api_hosts(cls, hosts: list[str]) -> list[str]:
        for host in hosts:
            if not host or any(sign in host for sign in "/:*@ "):
                raise ValueError(
                    f"{host!r} is not a host name; write it without scheme, port and path"
                )
        return hosts

    @field_validator("tls_key")
    @classmethod
    def _check_tls(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if (key is None) != (info.data.get("tls_certificate") is None):
            raise ValueError(
                "tls_certificate and tls_key must be set together; set both or neither"
            )
        return key

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
            raise ValueError(
                "two applications have the same callback token; use a different one for each"
            )
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
            raise ValueError(f"the {what} {name!r} is given more than once")
        seen.add(name)


def weak_secrets(settings: Settings) -> list[tuple[str, str]]:
    """Name the secrets that are short enough to be guessed, and say how each is replaced."""
    tokens = [("callback_token", settings.callback_token)]
    tokens += [
        (f"applications.{a.name}.tokens", t) for a in settings.applications for t in a.tokens
    ]
    keys = [
        ("api_key", settings.api_key),
        *((f"api_keys.{k.name}.key", k.key) for k in settings.api_keys),
    ]
    pairs = [(f"push_keys.{k.access_key}.secret_key", k.secret_key) for k in push_keys_of(settings)]
    return [
        (name, remedy)
        for named, remedy, is_strong in (
            (tokens, _ANOTHER_WAY_IN, is_hard_to_guess),
            (keys, _REPLACE_KEY, is_hard_to_guess),
            (pairs, _REPLACE_PAIR, lambda secret: not is_weak_key(secret)),
        )
        for name, secret in named
        if secret is not None and not is_strong(secret.get_secret_value())
    ]


def push_keys_of(settings: Settings) -> list[PushKey]:
    """Return the push AK/SK pairs of all applications."""
    return [*settings.push_keys, *(key for one in settings.applications for key in one.push_keys)]


def describe(settings: Settings) -> dict[str, Any]:
    """Return the settings as plain values, secrets masked."""
    return settings.model_dump(mode="json")
