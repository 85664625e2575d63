"""The gates of the applications, made from the settings."""

from collections.abc import Callable, Sequence

from receiver.domain.times import SECOND
from receiver.edge.admission import Gate, Gates
from receiver.http.peers import Networks
from receiver.huawei.signing import SigningRules
from receiver.metrics import Metrics
from receiver.settings import DEFAULT_APPLICATION, Settings
from receiver.settings.trust import PushKey, SignatureSettings, expand


def make_gates(settings: Settings, metrics: Metrics, clock: Callable[[], int]) -> Gates:
    """Return the gates; `clock` gives microseconds since the epoch."""
    told = [(DEFAULT_APPLICATION, settings.push_keys, settings.allow_from)]
    told += [(one.name, one.push_keys, one.allow_from) for one in settings.applications]
    gates = {
        name: Gate(Networks(expand(allow_from)), make_rules(keys, settings.signatures))
        for name, keys, allow_from in told
        if keys or allow_from
    }
    return Gates(gates, Networks(settings.trusted_proxies), metrics, clock)


def make_rules(keys: Sequence[PushKey], settings: SignatureSettings) -> SigningRules | None:
    """Make what signatures must satisfy; None where no pair is known."""
    if not keys:
        return None
    return SigningRules(
        keys={key.access_key: key.secret_key.get_secret_value() for key in keys},
        window_us=settings.window_seconds * SECOND,
        host=settings.host,
        allow_unsigned_payload=settings.allow_unsigned_payload,
    )
