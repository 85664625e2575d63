"""`receiver check`: reports invalid settings, or shows the effective ones."""

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from receiver import settings
from receiver.app.credentials import weak_files
from receiver.app.policies import make_catalogue
from receiver.cli.options import AsJson, Config
from receiver.domain import times
from receiver.domain.strength import is_hard_to_guess
from receiver.errors import DataDirectoryError, SettingsError, StoreUnavailableError
from receiver.exposure import find_exposed, find_readable
from receiver.http.tls import Certificate
from receiver.huawei.catalogue import lint_overrides
from receiver.settings import DEFAULT_APPLICATION, Settings
from receiver.store.database.urls import lock_of
from receiver.store.store import Store

_log = structlog.get_logger(__name__)

app = typer.Typer()


@dataclass(slots=True)
class _Findings:
    """What a check found."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether a receiver can be run with it."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "usable": self.usable,
            "problems": self.problems,
            "warnings": self.warnings,
            "settings": self.settings,
        }


@app.command()
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Report all invalid settings, or show the effective settings."""
    findings = _check(config)
    if as_json:
        typer.echo(json.dumps(findings.as_json()))
    else:
        _show(findings)
    raise typer.Exit(0 if findings.usable else 1)


def _check(config: Path | None) -> _Findings:
    """Check the settings and the data directory; changes nothing."""
    findings = _Findings()
    try:
        loaded = settings.load(config)
    except SettingsError as error:
        findings.problems = str(error).splitlines()
        findings.warnings = _unknown()
        return findings
    findings.settings = settings.describe(loaded)
    findings.problems = [
        *_check_directory(loaded.data_dir),
        *_check_secrets(loaded),
        *_check_catalogue(loaded),
        *_check_certificate(loaded),
    ]
    findings.warnings = [
        *_warnings(loaded, config),
        *_exposed(loaded.data_dir),
        *_check_server(loaded),
        *_doubtful_rows(loaded),
    ]
    return findings


def warn(loaded: Settings, config: Path | None) -> None:
    """Log what is allowed but probably not meant."""
    for warning in _warnings(loaded, config):
        _log.warning(warning)


def _show(findings: _Findings) -> None:
    """Print the findings for people."""
    for problem in findings.problems:
        typer.echo(f"error: {problem}", err=True)
    for warning in findings.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if findings.usable:
        table = Table("setting", "value", title="Effective settings", title_justify="left")
        for name, value in _flat(findings.settings):
            table.add_row(name, Text("" if value is None else str(value)))
        Console().print(table)


def _warnings(loaded: Settings, config: Path | None) -> list[str]:
    weak = [f"{name} is easy to guess; {remedy}" for name, remedy in settings.weak_secrets(loaded)]
    zoneless = [
        (
            f"api_keys: {key.name!r} expires at a time without a zone, which is read as UTC; "
            "add Z or an offset such as +08:00"
        )
        for key in loaded.api_keys
        if key.expires is not None and not times.names_zone(key.expires)
    ]
    return weak + zoneless + _open(loaded) + _readable(loaded, config) + _unknown()


def _open(loaded: Settings) -> list[str]:
    """Name the applications for which anybody may push who guesses or learns the callback URL."""
    gates = [(one.name, one.tokens, one.push_keys, one.allow_from) for one in loaded.applications]
    if loaded.has_default_application:
        token = loaded.callback_token
        tokens = [] if token is None else [token]
        gates.append((DEFAULT_APPLICATION, tokens, loaded.push_keys, loaded.allow_from))
    found = []
    for name, tokens, push_keys, allow_from in gates:
        if push_keys or allow_from:
            continue
        guessable = not all(is_hard_to_guess(token.get_secret_value()) for token in tokens)
        who = "guesses" if guessable else "learns"
        found.append(
            f"application {name!r} is open: anyone who {who} its callback URL can push. "
            "Enable push AK/SK in the platform's console and set `push_keys`, or set "
            "`allow_from`"
        )
    return found


def _readable(loaded: Settings, config: Path | None) -> list[str]:
    """Name the files of the operator that hold secrets and that everybody can read."""
    found = []
    if config is not None and settings.secrets_in(config):
        found += find_readable(config, "secrets")
    if loaded.tls_key is not None:
        found += find_readable(loaded.tls_key, "the private key of the certificate")
    return found


def _exposed(directory: Path) -> list[str]:
    return find_exposed(directory) if directory.is_dir() else []


def _unknown() -> list[str]:
    return [
        f"{name} is not a known setting and has no effect; check the spelling"
        for name in settings.unknown_variables()
    ]


def _check_directory(path: Path) -> list[str]:
    try:
        if path.exists() and not path.is_dir():
            return [f"data_dir: {path} is not a directory"]
        nearest = next(p for p in (path, *path.absolute().parents) if p.exists())
    except OSError as error:
        return [f"data_dir: {error.strerror}"]
    if not os.access(nearest, os.W_OK | os.X_OK):
        return [f"data_dir: {nearest} is not writable for this user"]
    return []


def _check_secrets(loaded: Settings) -> list[str]:
    try:
        return weak_files(loaded)
    except DataDirectoryError as error:
        return [str(error)]


def _check_server(loaded: Settings) -> list[str]:
    """Try the database server: pushes are taken without it, so that it is away is no error."""
    if lock_of(loaded.effective_store_url) is not None:
        return []

    async def reach() -> None:
        store = Store(loaded.effective_store_url)
        try:
            await store.reach()
        finally:
            await store.close()

    try:
        asyncio.run(reach())
    except StoreUnavailableError as error:
        return [f"store_url: {error}"]
    return []


def _check_catalogue(loaded: Settings) -> list[str]:
    try:
        make_catalogue(loaded)
    except SettingsError as error:
        return str(error).splitlines()
    return []


def _doubtful_rows(loaded: Settings) -> list[str]:
    """Name the rows of the user's own catalogue file that can be used but contradict others."""
    if loaded.catalogue_file is None:
        return []
    try:
        return [f"catalogue_file: {text}" for text in lint_overrides(loaded.catalogue_file)]
    except ValueError:
        return []  # a file that cannot be used is a problem, and is told as one


def _check_certificate(loaded: Settings) -> list[str]:
    if loaded.tls_certificate is None or loaded.tls_key is None:
        return []
    try:
        Certificate(loaded.tls_certificate, loaded.tls_key)
    except SettingsError as error:
        return [str(error)]
    return []


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, value))
    return rows
