"""`receiver key`: keys of the private API and callback tokens, without a restart."""

import json
import re
import time
from pathlib import Path
from typing import Annotated

import typer

from receiver import keyring, settings
from receiver.api.access.auth import Scope
from receiver.cli.options import AsJson, Config, instant
from receiver.cli.output import list_table, make_console
from receiver.datadir import TOKEN_FILE, read_secret
from receiver.domain import times
from receiver.domain.times import SECOND, to_rfc3339
from receiver.edge.callbacks import CALLBACK_PREFIX
from receiver.errors import SettingsError
from receiver.keyring import Ring, RingKey, RingToken
from receiver.settings import DEFAULT_APPLICATION, Settings

app = typer.Typer(
    name="key",
    no_args_is_help=True,
    help="Create, list and revoke keys of the private API and callback tokens.",
)

_DAY_S = 86_400
_AFTER = re.compile(r"([0-9]{1,5})([dh])")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_UNITS = {"d": _DAY_S, "h": 3600}

_Name = Annotated[str, typer.Argument(help="Name of the key: letters, digits, '_', '.' and '-'.")]


@app.command()
def create(
    name: _Name,
    scope: Annotated[
        list[Scope] | None, typer.Option(help="Scope of the key, repeatable; default: read.")
    ] = None,
    application: Annotated[
        str | None, typer.Option(help="Restrict the key to this application; default: all.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="Expiry: `90d`, `12h` or an RFC 3339 time; default: never.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Create a key. It is shown once and only its digest is kept."""
    loaded, now = settings.load(config), _now()
    if _NAME.fullmatch(name) is None:
        raise SettingsError("A name must have 1 to 64 letters, digits, '_', '.' or '-'.")
    if application is not None:
        _check_application(loaded, application)
    ends = None if expires is None else _read_end(expires, now)
    secret = keyring.make_secret()
    with keyring.changing(loaded.data_dir) as held:
        taken = {key.name for key in held[0].keys} | {key.name for key in loaded.api_keys}
        if name in taken | {"default"}:
            raise SettingsError(f"A key named {name!r} exists already. Choose another name.")
        held[0] = held[0].with_key(
            RingKey(
                name=name,
                digest=keyring.digest_of(secret),
                scopes=tuple(one.value for one in dict.fromkeys(scope or [Scope.READ])),
                application=application,
                created_at=now,
                expires_at=ends,
            )
        )
    if as_json:
        told = {"name": name, "key": secret, "expires": None if ends is None else to_rfc3339(ends)}
        typer.echo(json.dumps(told))
    else:
        typer.echo(secret)
        typer.echo("The key takes effect immediately. It is not shown again.", err=True)


@app.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """List keys and callback tokens created with this command, without their secrets."""
    loaded = settings.load(config)
    ring, used = keyring.read_ring(loaded.data_dir), _read_used(loaded.data_dir)
    used_keys, used_tokens = used["keys"], used["tokens"]
    keys = [
        {
            "name": key.name,
            "scopes": list(key.scopes),
            "application": key.application,
            "created": to_rfc3339(key.created_at),
            "expires": None if key.expires_at is None else to_rfc3339(key.expires_at),
            "last_used": to_rfc3339(used_keys[key.digest]) if key.digest in used_keys else None,
        }
        for key in ring.keys
    ]
    tokens = [
        {
            "application": one.application,
            "created": to_rfc3339(one.created_at),
            "last_push": to_rfc3339(used_tokens[one.digest]) if one.digest in used_tokens else None,
        }
        for one in ring.tokens
    ]
    if as_json:
        typer.echo(json.dumps({"keys": keys, "callback_tokens": tokens}))
        return
    console = make_console()
    columns = ("key", "scopes", "application", "created", "expires", "last used")
    names = ("application", "created", "expires", "last_used")
    rows = (
        (key["name"], ", ".join(key["scopes"] or ()), *(key[name] for name in names))
        for key in keys
    )
    console.print(list_table(columns, rows))
    for token in tokens:
        last = token["last_push"] or "none"
        console.print(
            f"callback token of {token['application']}, created {token['created']}, last "
            f"push {last}"
        )


@app.command()
def revoke(name: _Name, config: Config = None) -> None:
    """Revoke a key created with this command. It is rejected within two seconds."""
    loaded = settings.load(config)
    with keyring.changing(loaded.data_dir) as held:
        if name not in {key.name for key in held[0].keys}:
            raise SettingsError(
                f"No key {name!r} was created with `receiver key`. Keys from the "
                "settings are revoked there."
            )
        held[0] = held[0].without_key(name)


@app.command()
def rotate_callback(
    application: Annotated[
        str | None, typer.Option(help="Application of the token; required if there are several.")
    ] = None,
    config: Config = None,
) -> None:
    """Create another callback token. Earlier ones stay valid until `retire-callback`."""
    loaded = settings.load(config)
    name = _application_of(loaded, application)
    secret = keyring.make_secret()
    with keyring.changing(loaded.data_dir) as held:
        token = RingToken(application=name, digest=keyring.digest_of(secret), created_at=_now())
        held[0] = held[0].with_token(token)
    typer.echo(CALLBACK_PREFIX + secret)
    typer.echo(
        "Put this path into the callback URL on the platform, wait until pushes arrive "
        "at it, then run `receiver key retire-callback`. It is not shown again.",
        err=True,
    )


@app.command()
def retire_callback(
    application: Annotated[
        str | None, typer.Option(help="Application of the tokens; required if there are several.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Retire the tokens even if no push has used the newest one yet."
        ),
    ] = False,
    config: Config = None,
) -> None:
    """Revoke all callback tokens of an application except the newest of `rotate-callback`."""
    loaded = settings.load(config)
    name = _application_of(loaded, application)
    with keyring.changing(loaded.data_dir) as held:
        ring: Ring = held[0]
        made = [one for one in ring.tokens if one.application == name]
        if not made:
            raise SettingsError(
                f"The application {name!r} has only tokens from the settings. Create "
                "another with `receiver key rotate-callback` first; otherwise pushes "
                "have no valid address."
            )
        newest = max(made, key=lambda one: one.created_at)
        if not force and newest.digest not in _read_used(loaded.data_dir)["tokens"]:
            raise SettingsError(
                "No push is known to have used the newest token (recorded every ten "
                "seconds), so the platform may not have its address. Wait, or use "
                "--force."
            )
        ended = {one.digest for one in made} | _fixed_tokens(loaded, name)
        held[0] = ring.without_tokens(frozenset(ended - {newest.digest}))


def _now() -> int:
    return time.time_ns() // 1000


def _read_end(text: str, now: int) -> int:
    after = _AFTER.fullmatch(text)
    if after:
        moment: int | None = now + int(after[1]) * _UNITS[after[2]] * SECOND
    else:
        moment = None if times.parse(text) is None else instant("--expires", text)
    if moment is None or moment <= now:
        raise SettingsError(
            "--expires must be in the future: `90d`, `12h` or 2030-01-31T00:00:00Z."
        )
    return moment


def _names(loaded: Settings) -> list[str]:
    names = [one.name for one in loaded.applications]
    if loaded.has_default_application:
        names.insert(0, DEFAULT_APPLICATION)
    return names


def _check_application(loaded: Settings, name: str) -> None:
    if name not in _names(loaded):
        known = ", ".join(_names(loaded))
        raise SettingsError(f"The application {name!r} is unknown. Known applications: {known}.")


def _application_of(loaded: Settings, name: str | None) -> str:
    if name is None:
        names = _names(loaded)
        if len(names) > 1:
            raise SettingsError(
                "There are several applications. Pass --application with one of "
                f"{', '.join(names)}."
            )
        return names[0]
    _check_application(loaded, name)
    return name


def _fixed_tokens(loaded: Settings, name: str) -> set[str]:
    """Return the digests of the tokens that an application has besides those made here."""
    tokens = [
        token.get_secret_value()
        for one in loaded.applications
        if one.name == name
        for token in one.tokens
    ]
    if name == DEFAULT_APPLICATION:
        if loaded.callback_token is not None:
            tokens.append(loaded.callback_token.get_secret_value())
        made = read_secret(loaded.data_dir / TOKEN_FILE)
        if made is not None:
            tokens.append(made)
    return {keyring.digest_of(token) for token in tokens}


def _read_used(directory: Path) -> dict[str, dict[str, int]]:
    """Return when keys and callback tokens were used last, by digest."""
    try:
        used: dict[str, dict[str, int]] = json.loads((directory / keyring.USED_FILE).read_bytes())
    except FileNotFoundError:
        return {"keys": {}, "tokens": {}}
    return used
