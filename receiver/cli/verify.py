"""`receiver verify`: why a push signature is rejected."""

import json
import re
import time
from pathlib import Path
from typing import Annotated

import typer

from receiver import settings
from receiver.app.gates import make_rules
from receiver.cli.options import AsJson, Config, instant
from receiver.cli.output import facts_table, make_console
from receiver.errors import SettingsError
from receiver.huawei.signature_diagnosis import Diagnosis, diagnose, read_request, signed_date
from receiver.huawei.signing import SignatureOutcome, SignedRequest
from receiver.settings import DEFAULT_APPLICATION, Settings

_TOKEN = re.compile(r"(/callbacks/)[^/\n]+")
_ADVICE = {
    SignatureOutcome.UNSIGNED: (
        "The header Authorization is missing. Enable push AK/SK in the console, and make "
        "proxies forward the header."
    ),
    SignatureOutcome.MALFORMED: (
        "The header Authorization, or a signed header, does not have the platform's format "
        "or is given more than once."
    ),
    SignatureOutcome.UNKNOWN_KEY: "Its access key is not in `push_keys`.",
    SignatureOutcome.NO_DATE: "X-Sdk-Date is missing, not signed, or not a date.",
    SignatureOutcome.UNCOVERED: (
        "SignedHeaders does not name host, so the signature would be valid for any "
        "receiver. It is not from the platform, which signs the host."
    ),
    SignatureOutcome.BODY: (
        "The body does not match x-sdk-content-sha256, or is not signed at all "
        "(`signatures.allow_unsigned_payload`)."
    ),
    SignatureOutcome.MISMATCH: (
        "A signed part was changed on the way, or secret_key is not that of the console."
    ),
}

app = typer.Typer()


@app.command()
def verify(
    request: Annotated[
        Path, typer.Option(help="File with the push exactly as received: head, empty line, body.")
    ],
    application: Annotated[
        str, typer.Option(help="Application whose push_keys are used.")
    ] = DEFAULT_APPLICATION,
    at: Annotated[str | None, typer.Option(help="Arrival time (RFC 3339); default: now.")] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(help="A host name that the platform uses for this receiver."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Verify the signature of a push; if it is invalid, show what differs."""
    moment = instant("--at", at)
    if moment is None:
        moment = time.time_ns() // 1000
    loaded = settings.load(config)
    valid = _verify(loaded, request, application, moment, host or [], as_json=as_json)
    raise typer.Exit(0 if valid else 1)


def _verify(
    loaded: Settings, file: Path, application: str, now: int, hosts: list[str], *, as_json: bool
) -> bool:
    """Judge the request in a file; tell whether its signature would be accepted.

    Raises:
        SettingsError: there is no such application, it has no keys, or the file holds no request.
    """
    keys = {DEFAULT_APPLICATION: loaded.push_keys}
    keys |= {one.name: one.push_keys for one in loaded.applications}
    if application not in keys:
        raise SettingsError(
            f"The application {application!r} is unknown. Known applications: {', '.join(keys)}."
        )
    rules = make_rules(keys[application], loaded.signatures)
    if rules is None:
        raise SettingsError(
            f"push_keys: the application {application!r} has none, so no signature can "
            "be verified. Set push_keys."
        )
    try:
        request = read_request(file.read_bytes())
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{file}: {error}") from None
    diagnosis = diagnose(request, rules, now, hosts)
    if as_json:
        typer.echo(json.dumps(_as_json(diagnosis, request)))
    else:
        _show(diagnosis, request)
    return diagnosis.found.valid and not diagnosis.stale


def _as_json(diagnosis: Diagnosis, request: SignedRequest) -> dict[str, object]:
    found = diagnosis.found
    return {
        "valid": found.valid and not diagnosis.stale,
        "outcome": found.outcome.value,
        "stale": diagnosis.stale,
        "date": signed_date(request),
        "access_key": found.access_key,
        "signed_headers": list(found.signed_headers),
        "canonical_request": _without_token(found.canonical),
        "valid_if": list(diagnosis.remedies),
    }


def _without_token(canonical: str | None) -> str | None:
    return canonical and _TOKEN.sub(r"\1<token>", canonical)


def _show(diagnosis: Diagnosis, request: SignedRequest) -> None:
    found = diagnosis.found
    missing = sorted(set(found.signed_headers) - {name.decode() for name, _ in request.headers})
    facts = {
        "signature": found.outcome.value,
        "date": f"{signed_date(request)}"
        + (", outside the time window" if diagnosis.stale else ""),
        "access key": found.access_key,
        "signed headers": ", ".join(found.signed_headers),
        "missing headers": ", ".join(missing),
        "valid if": " and ".join(diagnosis.remedies),
        "why": _ADVICE.get(found.outcome) if not diagnosis.remedies else None,
        "canonical request": _without_token(found.canonical),
    }
    make_console().print(facts_table(facts))
