"""The sections of the settings, except `[retry]`."""

from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from receiver.domain import times
from receiver.domain.suppressions import opt_outs
from receiver.settings.fields import A_CENTURY_H, MANY, KeySecret, Secret, Section, check_token
from receiver.settings.trust import AllowedNetworks, PushKeys, is_gated

Scope = Literal["read", "write", "admin"]
_DEFAULT_OPT_OUT = list(opt_outs.USUAL_OPT_OUT)


class Application(Section):
    """One SMS application of the platform."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")
    push_keys: PushKeys = Field(default=[])
    allow_from: AllowedNetworks = Field(default=[])
    tokens: list[Secret] = Field(min_length=1)

    @field_validator("tokens")
    @classmethod
    def _check_tokens(cls, tokens: list[SecretStr], info: ValidationInfo) -> list[SecretStr]:
        for token in tokens:
            check_token(token, is_gated=is_gated(info.data))
        return tokens


class ApiKey(Section):
    """One key of the private API."""

    name: str = Field(min_length=1, max_length=64)
    key: KeySecret
    scopes: list[Scope] = Field(min_length=1)
    application: str | None = None
    expires: str | None = None

    @field_validator("expires")
    @classmethod
    def _check_expires(cls, text: str | None) -> str | None:
        if text is not None and times.parse(text) is None:
            raise ValueError("must be an RFC 3339 time, for example 2030-01-31T00:00:00Z")
        return text

    @property
    def expires_at(self) -> int | None:
        """When it ends, microseconds; None: never."""
        return None if self.expires is None else times.parse(self.expires)


class JournalSettings(Section):
    """How much may wait for the disk."""

    max_waiting: int = Field(default=10_000, ge=1, le=MANY)
    max_waiting_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, le=MANY)
    timeout_seconds: float = Field(default=5.0, gt=0, le=3600)
    writer_timeout_seconds: float = Field(default=10.0, gt=0, le=3600)


class ProjectorSettings(Section):
    """How the projector works."""

    batch_rows: int = Field(default=500, ge=1, le=10_000)
    batch_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, le=MANY)
    slice_milliseconds: float = Field(default=3.0, gt=0, le=1000)
    overdue_after_hours: float = Field(default=73.0, gt=0, le=A_CENTURY_H)


class RetentionSettings(Section):
    """What is kept, and how long."""

    journal_hours: float = Field(default=72.0, gt=0, le=A_CENTURY_H)
    quarantine_rows: int = Field(default=10_000, ge=1, le=MANY)
    quarantine_bytes: int = Field(default=256 * 1024 * 1024, ge=1024, le=1000 * MANY)
    quarantine_body_bytes: int = Field(default=64 * 1024, ge=0, le=MANY)
    quarantine_push_rows: int = Field(default=50, ge=1, le=10_000)
    quarantine_days: float = Field(default=30.0, ge=0, le=A_CENTURY_H / 24)
    messages_days: float = Field(default=400.0, ge=0, le=A_CENTURY_H / 24)
    numbers_days: float = Field(default=0.0, ge=0, le=A_CENTURY_H / 24)
    texts_days: float = Field(default=90.0, ge=0, le=A_CENTURY_H / 24)
    raw_days: float = Field(default=30.0, ge=0, le=A_CENTURY_H / 24)
    purge_hours: float = Field(default=24.0, gt=0, le=A_CENTURY_H)


class IdempotencySettings(Section):
    """How many answers to requests with an Idempotency-Key are kept, and how large."""

    rows: int = Field(default=10_000, ge=1, le=MANY)
    rows_per_key: int = Field(default=1000, ge=1, le=MANY)
    answer_bytes: int = Field(default=4 * 1024 * 1024, ge=1024, le=MANY)
    total_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, le=MANY)


class SilenceSettings(Section):
    """When an application is silent for too long."""

    floor_minutes: float = Field(default=15.0, gt=0, le=60 * A_CENTURY_H)
    factor: float = Field(default=1.5, ge=1, le=1000)
    days: int = Field(default=8, ge=2, le=366)
    min_heard: int = Field(default=20, ge=2, le=MANY)


class SuppressionSettings(Section):
    """Which numbers are suppressed."""

    code_days: float = Field(default=90.0, ge=0, le=A_CENTURY_H / 24)


class UplinkSettings(Section):
    """How uplinks are matched and which keywords they contain."""

    answer_within_hours: float = Field(default=168.0, gt=0, le=A_CENTURY_H)
    opt_out_words: list[str] = Field(default=_DEFAULT_OPT_OUT)
    opt_in_words: list[str] = Field(default=list(opt_outs.USUAL_OPT_IN))

    @field_validator("opt_out_words")
    @classmethod
    def _check_opt_out_words(cls, words: list[str]) -> list[str]:
        opt_outs.fold_words(words)
        return words

    @field_validator("opt_in_words")
    @classmethod
    def _check_opt_in_words(cls, words: list[str], info: ValidationInfo) -> list[str]:
        opt_out = info.data.get("opt_out_words", ())
        firm = opt_outs.FIRM_OPT_OUT if opt_out == _DEFAULT_OPT_OUT else opt_out
        opt_outs.make_words(firm, words)
        return words

    @model_validator(mode="after")
    def _drop_defaults(self) -> Self:
        """Let a word that is set as an opt-in be none of the less common default opt-outs."""
        if self.opt_out_words == _DEFAULT_OPT_OUT:
            opt_in = opt_outs.fold_words(self.opt_in_words)
            others = [word for word in self.opt_out_words if opt_outs.fold(word) not in opt_in]
            object.__setattr__(self, "opt_out_words", others)
        return self
