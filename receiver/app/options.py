"""Options of the parts of a node, made from the settings."""

import resource
from dataclasses import replace

import structlog

from receiver.api.access.auth import Key, make_key
from receiver.app.credentials import Secrets
from receiver.domain import times
from receiver.domain.silence import SilenceOptions
from receiver.http.throttle import Guesses, GuessLimits
from receiver.http.tls import Certificate
from receiver.metrics import Metrics
from receiver.privacy.retention import Retention
from receiver.projector.options import ProjectorOptions
from receiver.settings import Settings
from receiver.store.quarantine import QuarantineLimits

_log = structlog.get_logger(__name__)

_FILES_OF_OURS = 100  # stores, journal, exports, and some to spare


def projector_options(settings: Settings) -> ProjectorOptions:
    """Return how the projector works."""
    hour = 3600 * times.SECOND
    return ProjectorOptions(
        batch_rows=settings.projector.batch_rows,
        batch_bytes=settings.projector.batch_bytes,
        slice_s=settings.projector.slice_milliseconds / 1000,
        overdue_after_us=round(settings.projector.overdue_after_hours * hour),
        journal_kept_us=round(settings.retention.journal_hours * hour),
        silence=silence_options(settings),
        quarantine=QuarantineLimits(
            rows=settings.retention.quarantine_rows,
            bytes=settings.retention.quarantine_bytes,
            body_bytes=settings.retention.quarantine_body_bytes,
            push_rows=settings.retention.quarantine_push_rows,
        ),
    )


def certificate_of(settings: Settings) -> Certificate | None:
    """Return the certificate of the public listener; None: it speaks plain HTTP.

    Raises:
        SettingsError: it cannot be used.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_certificate, settings.tls_key)


def connections_that_fit(wanted: int, *, besides: int) -> int:
    """Let the process have as many files as it may, and give how many connections that allows.

    Args:
        wanted: connections of the public listener.
        besides: those of the private one, for which there must be room too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    allowed = (
        wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - _FILES_OF_OURS - besides)
    )
    if allowed < wanted:
        _log.warning(
            "max_connections reduced: the limit of open files (ulimit -n) is too low",
            allowed=allowed,
        )
    return max(1, allowed)


def fixed_keys(settings: Settings, secrets: Secrets) -> list[Key]:
    """Return the keys that stay for as long as the process runs."""
    keys = [make_key("default", secrets.api_key, ["admin"])]
    for key in settings.api_keys:
        made = make_key(key.name, key.key.get_secret_value(), key.scopes)
        keys.append(replace(made, application=key.application, expires_at=key.expires_at))
    return keys


def make_guesses(settings: Settings, of: str, per_minute: int, metrics: Metrics) -> Guesses:
    """Make what bounds the guessing of secrets of one kind, `key` or `token`."""
    limits = GuessLimits(
        per_minute=per_minute,
        remembered=settings.remembered_addresses,
        right_us=round(settings.right_secret_hours * 3600 * times.SECOND),
    )
    return Guesses(limits, metrics.guessers_forgotten.labels(of).inc)


def retention_of(settings: Settings) -> Retention:
    """Return how long what is kept."""
    retention = settings.retention
    return Retention(
        messages_days=retention.messages_days,
        numbers_days=retention.numbers_days,
        texts_days=retention.texts_days,
        raw_days=retention.raw_days,
        quarantine_days=retention.quarantine_days,
    )


def silence_options(settings: Settings) -> SilenceOptions:
    """Return when silence is too long."""
    silence = settings.silence
    return SilenceOptions(
        floor_us=round(silence.floor_minutes * 60 * times.SECOND),
        factor=silence.factor,
        days=silence.days,
        min_heard=silence.min_heard,
    )
