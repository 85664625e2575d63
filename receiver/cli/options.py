"""Options shared by several commands."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from receiver.domain import times
from receiver.domain.identifiers import clean
from receiver.domain.wording.languages import FALLBACK, Language, speaks
from receiver.settings import Settings

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Settings file (TOML); RECEIVER_* environment variables override it."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ApiUrl = Annotated[
    str | None,
    typer.Option("--api-url", help="Address of the private API; default: from the settings."),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        envvar="RECEIVER_API_KEY",
        show_envvar=True,
        help="API key; default: from the settings or the data directory.",
    ),
]
Lang = Annotated[
    str | None, typer.Option("--lang", help="Language, en or zh; default: the setting `language`.")
]
Reveal = Annotated[
    bool, typer.Option("--reveal", help="Show full phone numbers and codes, also in JSON.")
]


def instant(option: str, text: str | None) -> int | None:
    """Read the time that an option gives, microseconds since the epoch.

    One that names no zone is taken for UTC, as all times are shown; standard error says so.

    Raises:
        typer.BadParameter: it is no time.
    """
    if text is None:
        return None
    moment = times.parse(text)
    if moment is None:
        raise typer.BadParameter(f"{option} must be a date or an RFC 3339 time.")
    if not times.names_zone(text):
        utc = times.to_rfc3339(moment)
        typer.echo(
            f"{option} has no zone and is read as UTC: {utc}. For China, write "
            f"{utc.removesuffix('Z')}+08:00.",
            err=True,
        )
    return moment


def instant_text(option: str, text: str | None) -> str | None:
    """Read the same, and write it for the receiver."""
    moment = instant(option, text)
    return None if moment is None else times.to_rfc3339(moment)


def given(options: Mapping[str, object]) -> dict[str, str]:
    """Return the options that were given, as texts."""
    return {name: str(value) for name, value in options.items() if value is not None}


def not_empty(text: str) -> str:
    """Return an argument, cleaned; refuse one that holds nothing, for a script may have lost it.

    Raises:
        BadParameter: it is empty, or holds blanks alone.
    """
    if not clean(text):
        raise typer.BadParameter("The argument is empty. Pass a code, an id or a number.")
    return clean(text)


def language(tag: str | None, loaded: Settings) -> Language:
    """Return the language that `--lang` names, else that of the settings."""
    return loaded.language if tag is None else speaks(tag) or FALLBACK
