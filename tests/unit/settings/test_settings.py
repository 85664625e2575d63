"""Settings: the environment overrides the file, every problem is told, no secret is."""

import json
import os
import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from receiver.domain.strength import is_hard_to_guess, is_weak_key
from receiver.domain.wording.languages import Language
from receiver.errors import SettingsError
from receiver.settings import (
    Settings,
    describe,
    load,
    split_address,
    unknown_variables,
    weak_secrets,
)

Setting = Callable[..., None]

STRONG = "q7Zk2mX9bV4tR8wL1pHc5N"  # 22 characters: just long enough
SECRET = "needle-7315-of-hay"  # noqa: S105 - of no service
TWO_APPLICATIONS = """
[[applications]]
name = "shop"
tokens = ["shop-token-1", "shop-token-2"]

[[applications]]
name = "bank"
tokens = ["bank-token"]
"""


@pytest.fixture(autouse=True)
def _no_variables_of_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the real environment and the real working directory."""
    for name in [name for name in os.environ if name.upper().startswith("RECEIVER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Setting:
    """Return a function that sets variables of the environment."""

    def set_all(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"RECEIVER_{name}", value)

    return set_all


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a configuration file."""

    def write(text: str) -> Path:
        path = tmp_path / "receiver.toml"
        path.write_text(text)
        return path

    return write


Config = Callable[[str], Path]


def problems(path: Path | None = None) -> list[str]:
    """Return what is wrong with the settings, a line each."""
    with pytest.raises(SettingsError) as refused:
        load(path)
    return str(refused.value).splitlines()


# --- where a value comes from ---------------------------------------------------------------


def test_defaults() -> None:
    """Nothing needs to be set."""
    found = load()

    assert (found.listen, found.api_listen) == ("0.0.0.0:8080", "127.0.0.1:8081")
    assert (found.ack, found.late_delivered, found.language) == ("journal", "wins", "en")
    assert found.catalogue_file is None
    assert (found.callback_token, found.api_key, found.store_url) == (None, None, None)
    assert (found.applications, found.api_keys) == ([], [])
    assert found.data_dir == Path("receiver-data")
    assert found.effective_store_url == f"sqlite:///{Path.cwd()}/receiver-data/store.sqlite3"
    assert found.projector.overdue_after_hours == 72 + 1
    assert found.journal.max_waiting > 0


def test_environment(setting: Setting, tmp_path: Path) -> None:
    """Every plain setting is a variable of the same name in capitals."""
    setting(
        DATA_DIR=str(tmp_path),
        LISTEN="127.0.0.1:1",
        API_KEY=STRONG,
        ACK="store",
        MAX_BODY_BYTES="2048",
        METRICS_NEED_KEY="true",
        LANGUAGE="zh",
        CATALOGUE_FILE="codes of mine.csv",
    )

    found = load()

    assert (found.data_dir, found.listen, found.ack) == (tmp_path, "127.0.0.1:1", "store")
    assert (found.max_body_bytes, found.metrics_need_key) == (2048, True)
    assert (found.language, found.catalogue_file) == (Language.ZH, Path("codes of mine.csv"))
    assert found.api_key is not None
    assert found.api_key.get_secret_value() == STRONG


def test_names_of_variables_may_be_written_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The case of a variable's name means nothing."""
    monkeypatch.setenv("receiver_ack", "store")

    assert load().ack == "store"
    assert unknown_variables() == []


def test_nested_names(setting: Setting) -> None:
    """Two underscores lead into a group of settings."""
    setting(JOURNAL__MAX_WAITING="7", RETRY__SOON_SECONDS="30", PROJECTOR__BATCH_ROWS="9")

    found = load()

    assert found.journal.max_waiting == 7
    assert found.retry.soon_seconds == 30
    assert found.projector.batch_rows == 9


def test_lists_in_the_environment_are_json(setting: Setting) -> None:
    """Applications and keys can stand in the environment as JSON."""
    setting(
        APPLICATIONS='[{"name":"shop","tokens":["shop-token"]}]',
        API_KEYS=json.dumps([{"name": "grafana", "key": STRONG, "scopes": ["read"]}]),
    )

    found = load()

    assert [application.name for application in found.applications] == ["shop"]
    assert found.api_keys[0].key.get_secret_value() == STRONG
    assert found.api_keys[0].scopes == ["read"]


def test_file(config: Config) -> None:
    """Everything can stand in a TOML file."""
    found = load(
        config(
            'listen = "127.0.0.1:9000"\nlog_level = "debug"\n[retention]\njournal_hours = 1.5\n'
            + TWO_APPLICATIONS
        )
    )

    assert (found.listen, found.log_level) == ("127.0.0.1:9000", "debug")
    assert found.retention.journal_hours == 1.5
    assert [application.name for application in found.applications] == ["shop", "bank"]
    assert len(found.applications[0].tokens) == 2


def test_environment_wins_over_file(setting: Setting, config: Config) -> None:
    """A variable replaces the file's value alone: its neighbours in the group stay."""
    path = config('ack = "store"\n[journal]\nmax_waiting = 1\ntimeout_seconds = 2.5\n')
    setting(ACK="journal", JOURNAL__MAX_WAITING="7")

    found = load(path)

    assert (found.ack, found.journal.max_waiting) == ("journal", 7)
    assert found.journal.timeout_seconds == 2.5


def test_store_url(setting: Setting) -> None:
    """A store of one's own replaces the file in the data directory."""
    setting(STORE_URL="postgresql://receiver:pw@db.example/receiver")

    assert load().effective_store_url == "postgresql://receiver:pw@db.example/receiver"


# --- what is refused ------------------------------------------------------------------------

BAD_VALUES: list[Any] = [
    pytest.param({"LISTEN": "8080"}, "listen", id="address without a colon"),
    pytest.param({"ACK": "maybe"}, "ack", id="unknown choice"),
    pytest.param({"LANGUAGE": "fr"}, "language", id="language without texts"),
    pytest.param({"LATE_DELIVERED": "loses"}, "late_delivered", id="unknown late_delivered"),
    pytest.param({"MAX_BODY_BYTES": "1"}, "max_body_bytes", id="body limit below any push"),
    pytest.param({"JOURNAL__MAX_WAITING": "0"}, "journal.max_waiting", id="nothing may wait"),
    pytest.param({"JOURNAL__TIMEOUT_SECONDS": "nan"}, "journal.timeout_seconds", id="no number"),
    pytest.param({"JOURNAL__MAX_WATING": "5"}, "journal.max_wating", id="nested typing error"),
    pytest.param({"PROJECTOR__BATCH_ROWS": "10001"}, "projector.batch_rows", id="huge batches"),
    pytest.param({"RETRY__SOON_SECONDS": "-1"}, "retry.soon_seconds", id="negative wait"),
    pytest.param({"CALLBACK_TOKEN": ""}, "callback_token", id="empty secret"),
    pytest.param({"CALLBACK_TOKEN": "a/b"}, "callback_token", id="secret that no path holds"),
    pytest.param({"API_KEY": "schlüssel"}, "api_key", id="secret that no header holds"),
    pytest.param({"RETRY": "5"}, "retry", id="number for a group"),
    pytest.param({"APPLICATIONS": "shop"}, "applications", id="no JSON"),
    pytest.param(
        {"APPLICATIONS": '[{"name":"a b","tokens":["shop-token"]}]'},
        "applications.0.name",
        id="odd name",
    ),
    pytest.param(
        {"APPLICATIONS": '[{"name":"a","tokens":[]}]'}, "applications.0.tokens", id="no token"
    ),
    pytest.param(
        {"APPLICATIONS": '[{"name":"a","tokens":["a","b c"]}]'},
        "applications.0.tokens.1",
        id="one bad token",
    ),
    pytest.param(
        {"API_KEYS": '[{"name":"a","key":"key-of-a-long-name","scopes":["root"]}]'},
        "api_keys.0.scopes.0",
        id="unknown scope",
    ),
    pytest.param({"TRUSTED_PROXIES": '["*"]'}, "trusted_proxies", id="everybody is a proxy"),
    pytest.param({"TRUSTED_PROXIES": '["0.0.0.0/0"]'}, "trusted_proxies", id="the same in CIDR"),
    pytest.param({"TRUSTED_PROXIES": '["proxy.local"]'}, "trusted_proxies", id="a proxy's name"),
    pytest.param({"ALLOW_FROM": '["::/0"]'}, "allow_from", id="from everywhere"),
    pytest.param({"ALLOW_FROM": '["10.0.0.1/8"]'}, "allow_from", id="host bits in a network"),
    pytest.param({"ALLOW_FROM": '["huawei"]'}, "allow_from", id="no preset"),
    pytest.param({"PUSH_KEYS": '[{"access_key":"a"}]'}, "push_keys.0.secret_key", id="half a pair"),
    pytest.param(
        {"PUSH_KEYS": json.dumps(2 * [{"access_key": "a", "secret_key": "push-sk-1"}])},
        "push_keys",
        id="two secrets of one access key",
    ),
    pytest.param(
        {"PUSH_KEYS": '[{"access_key":"a,b","secret_key":"push-sk-1"}]'},
        "push_keys.0.access_key",
        id="an access key that no header holds",
    ),
    pytest.param({"SIGNATURES__WINDOW_SECONDS": "0"}, "signatures.window_seconds", id="no window"),
    pytest.param({"SIGNATURES__HOST": "短信.example"}, "signatures.host", id="no host"),
    pytest.param({"TLS_CERTIFICATE": "cert.pem"}, "tls_key", id="a certificate without its key"),
    pytest.param({"TLS_KEY": "key.pem"}, "tls_key", id="a key without its certificate"),
    pytest.param({"MAX_CONNECTIONS": "0"}, "max_connections", id="no connection"),
]


@pytest.mark.parametrize(("values", "name"), BAD_VALUES)
def test_bad_value(values: dict[str, str], name: str, setting: Setting) -> None:
    """A bad value is told by the name of its setting."""
    setting(**values)

    (problem,) = problems()

    assert problem.startswith(f"{name}: ")


def test_every_problem_is_told_at_once(setting: Setting) -> None:
    """An operator corrects everything in one go."""
    setting(LISTEN="nowhere", ACK="maybe", JOURNAL__MAX_WAITING="x", API_KEY="a b")

    assert sorted(problem.partition(":")[0] for problem in problems()) == [
        "ack",
        "api_key",
        "journal.max_waiting",
        "listen",
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param(
            {"LISTEN": "nowhere", "STORE_URL": "nothing"}, ["listen", "store_url"], id="store"
        ),
        pytest.param(
            {"LISTEN": "nowhere", "APPLICATIONS": '[{"name":"a","tokens":["t","t"]}]'},
            ["listen", "token"],
            id="shared token",
        ),
        pytest.param(
            {"LISTEN": "h:1", "API_LISTEN": "h:1", "STORE_URL": "mysql://h/d"},
            ["api_listen", "mysql"],
            id="two settings that do not fit together",
        ),
    ],
)
def test_problems_of_several_settings_are_told_too(
    values: dict[str, str], words: list[str], setting: Setting
) -> None:
    """What is wrong between settings is told together with what is wrong in one."""
    setting(**values)

    text = "\n".join(problems())

    assert [word for word in words if word not in text] == []


def test_unknown_names_in_the_file_are_refused(config: Config) -> None:
    """A typing error in the file is never silently ignored, at the top or in a group."""
    path = config('lisen = "127.0.0.1:1"\n[journal]\nmax_wating = 5\n')

    assert sorted(problems(path)) == [
        f"{name}: unknown setting; the README lists all settings"
        for name in ("journal.max_wating", "lisen")
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b'listen = "a', "not valid TOML", id="no TOML"),
        pytest.param(b"listen = \xff", "not UTF-8 text", id="no UTF-8"),
    ],
)
def test_unreadable_file(content: bytes, expected: str, tmp_path: Path) -> None:
    """A file that cannot be read is named, with what is wrong with it."""
    path = tmp_path / "receiver.toml"
    path.write_bytes(content)

    (problem,) = problems(path)

    assert str(path) in problem
    assert expected in problem


def test_missing_file(tmp_path: Path) -> None:
    """A file that was asked for must be there."""
    assert problems(tmp_path / "gone.toml") == [
        f"The configuration file {tmp_path / 'gone.toml'} does not exist."
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            TWO_APPLICATIONS.replace("bank", "shop", 1), "'shop' is given more than once", id="name"
        ),
        pytest.param(
            2 * f'[[api_keys]]\nname = "grafana"\nkey = "{STRONG}"\nscopes = ["read"]\n',
            "'grafana' is given more than once",
            id="name of a key",
        ),
        pytest.param(
            TWO_APPLICATIONS.replace("bank-token", "shop-token-1"),
            "same callback token",
            id="token",
        ),
        pytest.param(
            'callback_token = "bank-token"\n' + TWO_APPLICATIONS,
            "same callback token",
            id="token of the default application",
        ),
    ],
)
def test_twins(text: str, expected: str, config: Config) -> None:
    """Two applications or keys never share a name, two applications never a token."""
    (problem,) = problems(config(text))

    assert expected in problem


@pytest.mark.parametrize(
    "url",
    [
        "nothing",
        "mysql://h/d",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "postgresql://h:port/d",
        "",
    ],
)
def test_store_that_cannot_be_used(url: str, setting: Setting) -> None:
    """A store that is no URL, not supported or only in memory is refused by its setting's name."""
    setting(STORE_URL=url)

    (problem,) = problems()

    assert "store_url" in problem


# --- addresses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8081", ("127.0.0.1", 8081)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:8081", ("::1", 8081)),
        (":8080", ("0.0.0.0", 8080)),  # noqa: S104 - every address, as elsewhere
        ("h:65535", ("h", 65535)),
    ],
)
def test_address(text: str, expected: tuple[str, int]) -> None:
    """An address is host:port, IPv6 in brackets; no host means every address."""
    assert split_address(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "8080", "localhost", "h:", "h:65536", "h:-1", "h:http", "h:\u0661", "::1:80", "[::1]"],
)
def test_no_address(text: str) -> None:
    """What is no host and port is refused with an example."""
    with pytest.raises(ValueError, match="must"):
        split_address(text)


def test_listeners_need_addresses_of_their_own(setting: Setting) -> None:
    """Two listeners cannot share a port, unless the system chooses it."""
    setting(LISTEN="127.0.0.1:9000", API_LISTEN="127.0.0.1:9000")
    (problem,) = problems()
    assert "listen and api_listen are the same address" in problem

    setting(LISTEN="127.0.0.1:0", API_LISTEN="127.0.0.1:0")
    assert load().listen == load().api_listen


# --- variables that set nothing -------------------------------------------------------------


def test_unknown_variables_are_named() -> None:
    """Variables with our prefix that are no setting are likely typing errors."""
    environment = [
        "RECEIVER_LISEN",
        "receiver_ak",
        "RECEIVER_",
        "RECEIVER_LISTEN",
        "receiver_ack",
        "RECEIVER_JOURNAL__MAX_WAITING",
        "PATH",
        "MY_RECEIVER_X",
    ]

    assert unknown_variables(environment) == ["RECEIVER_", "RECEIVER_LISEN", "receiver_ak"]


def test_a_name_below_a_plain_setting_is_unknown() -> None:
    """Two underscores behind a setting that is no group set nothing."""
    assert unknown_variables(["RECEIVER_API_KEY__OLD"]) == ["RECEIVER_API_KEY__OLD"]


def test_every_setting_is_a_known_variable() -> None:
    """No real setting is taken for a typing error."""
    assert unknown_variables(f"RECEIVER_{name.upper()}" for name in Settings.model_fields) == []


# --- secrets --------------------------------------------------------------------------------


def test_weak_secrets(config: Config) -> None:
    """Secrets that can be guessed are named with the way to replace them, not shown."""
    found = load(
        config(
            f'callback_token = "{STRONG}"\napi_key = "{STRONG[1:]}"\n'
            f'[[applications]]\nname = "shop"\ntokens = ["{STRONG}1", "short"]\n'
            '[[applications.push_keys]]\naccess_key = "ak"\nsecret_key = "short"\n'
            f'[[api_keys]]\nname = "grafana"\nkey = "{STRONG[:16]}"\nscopes = ["read"]\n'
        )
    )

    assert [name for name, remedy in weak_secrets(found) if remedy] == [
        "applications.shop.tokens",
        "api_key",
        "api_keys.grafana.key",
        "push_keys.ak.secret_key",
    ]
    assert weak_secrets(Settings()) == []


GUESSED: list[Any] = [
    pytest.param("a", id="one letter"),
    pytest.param("changeme", id="a usual word"),
    pytest.param("changeme" * 4, id="a word again and again"),
    pytest.param("a" * 64, id="one letter often"),
    pytest.param("0123456789abcdefghijklmnopqrstuvwxyz", id="the alphabet"),
    pytest.param("12345678901234567890", id="digits in a row"),
    pytest.param("abababababababababababab", id="two letters"),
    pytest.param("very-good-key-1", id="15 characters"),
]


@pytest.mark.parametrize("key", GUESSED)
def test_a_key_that_can_be_guessed_is_refused(setting: Setting, config: Config, key: str) -> None:
    """A weak key of the private API is refused by every door, and the refusal does not show it."""
    table = f'[[api_keys]]\nname = "grafana"\nscopes = ["read"]\nkey = "{key}"\n'
    for text in (f'api_key = "{key}"\n', table):
        with pytest.raises(SettingsError, match=r"^api_key.*can be guessed.*16 char") as refusal:
            load(config(text))
        assert len(key) == 1 or key not in str(refusal.value)
    one = {"name": "grafana", "key": key, "scopes": ["read"]}
    setting(API_KEY=key, API_KEYS=json.dumps([one]))
    with pytest.raises(SettingsError) as refusal:
        load()
    assert [line.split(":")[0] for line in str(refusal.value).splitlines()] == [
        "api_key",
        "api_keys.0.key",
    ]


TRIVIAL: list[Any] = [
    pytest.param("a", id="one letter"),
    pytest.param("1234", id="digits"),
    pytest.param("xxxxxxxxxxxxxxxxxxxxxxxx", id="one letter often"),
    pytest.param("abcdefgh", id="the alphabet"),
    pytest.param("abcabcabcabcabcabcabcabc", id="a short text again and again"),
]


@pytest.mark.parametrize("token", TRIVIAL)
def test_a_trivial_token_is_refused_where_nothing_else_protects(config: Config, token: str) -> None:
    """A token that anybody tries first is refused, unless pushes must satisfy something else."""
    application = f'[[applications]]\nname = "shop"\ntokens = ["{token}"]\n'
    for text in (f'callback_token = "{token}"\n', application):
        with pytest.raises(SettingsError, match="is easy to guess"):
            load(config(text))
        gated = 'allow_from = ["192.0.2.0/24"]\n'
        load(config(gated + text if text != application else text + gated))
    assert load(config('callback_token = "short"\n')).callback_token is not None


@pytest.mark.parametrize("secret", TRIVIAL)
def test_a_trivial_push_key_is_refused(config: Config, secret: str) -> None:
    """A push SK that anybody tries first is refused: what it signs would be believed."""
    with pytest.raises(SettingsError, match=r"push_keys\.0\.secret_key: .*is easy to guess"):
        load(config(f'[[push_keys]]\naccess_key = "ak"\nsecret_key = "{secret}"\n'))


@pytest.mark.parametrize(
    "key",
    [
        "password12345678",
        "letmein123456789",
        "qwertyuiopasdfgh",
        "1qaz2wsx3edc4rfv",
        "your-api-key-here",
        "replace-me-please",
        "thisismysecretkey",
        "huaweicloud-sms1",
        "Company2026Secret!",
    ],
)
def test_a_key_of_words_is_weak(key: str) -> None:
    """What is made of words and rows of keys that guessers know protects nothing."""
    assert is_weak_key(key)


@pytest.mark.parametrize("seed", range(50))
def test_a_random_key_is_taken(seed: int) -> None:
    """Keys that a generator makes are never taken for a pattern."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    hexadecimal = f"{draw.getrandbits(128):032x}"
    letters = "".join(draw.choices(string.ascii_letters + string.digits, k=22))
    assert not is_weak_key(hexadecimal)
    assert is_hard_to_guess(hexadecimal)
    assert is_hard_to_guess(letters)


def test_description_masks_secrets(config: Config) -> None:
    """The settings can be shown: everything is in plain values, each secret masked."""
    found = load(
        config(
            f'callback_token = "{SECRET}1"\napi_key = "{SECRET}2"\n'
            f'store_url = "postgresql://receiver:{SECRET}@h/d"\n'
            f'[[applications]]\nname = "shop"\ntokens = ["{SECRET}3"]\n'
            f'[[api_keys]]\nname = "grafana"\nkey = "{SECRET}4"\nscopes = ["read"]\n'
        )
    )

    shown = json.dumps(describe(found))

    assert SECRET not in shown + repr(found) + str(found)
    assert set(describe(found)) == set(Settings.model_fields)
    assert '"shop"' in shown


SECRETS_IN_BAD_PLACES: list[Any] = [
    pytest.param({"CALLBACK_TOKEN": f"{SECRET} x"}, id="bad token"),
    pytest.param({"API_KEY": f"{SECRET}/"}, id="bad key"),
    pytest.param({"LISTEN": SECRET}, id="address"),
    pytest.param({"ACK": SECRET}, id="choice"),
    pytest.param({"MAX_BODY_BYTES": SECRET}, id="number"),
    pytest.param({"METRICS_NEED_KEY": SECRET}, id="truth value"),
    pytest.param({"JOURNAL": SECRET}, id="group"),
    pytest.param({"JOURNAL__MAX_WAITING": SECRET}, id="nested number"),
    pytest.param({"APPLICATIONS": SECRET}, id="list"),
    pytest.param({"APPLICATIONS": f'["{SECRET}"'}, id="list cut short"),
    pytest.param({"APPLICATIONS": f'["{SECRET}"]'}, id="list of text"),
    pytest.param(
        {"APPLICATIONS": f'[{{"name":"a","tokens":["{SECRET}","{SECRET}"]}}]'}, id="shared token"
    ),
    pytest.param({"APPLICATIONS": f'[{{"name":"a","tokens":"{SECRET}"}}]'}, id="token no list"),
    pytest.param({"API_KEYS": f'[{{"name":"a","key":"{SECRET}"}}]'}, id="key without scopes"),
    pytest.param({"STORE_URL": SECRET}, id="store: no URL"),
    pytest.param({"STORE_URL": f"mysql://u:{SECRET}@h/d"}, id="store: not supported"),
    pytest.param({"STORE_URL": f"postgresql://u:{SECRET}@h:port/d"}, id="store: bad port"),
    pytest.param({"STORE_URL": f"postgresql://u:{SECRET}"}, id="store: host forgotten"),
    pytest.param({"STORE_URL": f"postgresql://u:a@b:{SECRET}@h/d"}, id="store: not escaped"),
]


def everything_said(error: BaseException) -> str:
    """Return the text of an error and of all that led to it, as a traceback would show it."""
    shown = f"{error!r} {error}"
    if error.__cause__ is not None:
        shown += everything_said(error.__cause__)
    elif error.__context__ is not None and not error.__suppress_context__:
        shown += everything_said(error.__context__)
    return shown


@pytest.mark.parametrize("values", SECRETS_IN_BAD_PLACES)
def test_no_error_shows_a_secret(values: dict[str, str], setting: Setting) -> None:
    """Whatever is wrong, and wherever a secret stands by mistake, the error does not show it."""
    setting(**values, LANGUAGE="none of ours")  # one more problem: some errors come only together

    with pytest.raises(SettingsError) as together:
        load()
    setting(LANGUAGE="en")
    try:
        load()
    except SettingsError as alone:
        shown = everything_said(alone)
    else:
        shown = ""

    assert SECRET not in everything_said(together.value) + shown


@pytest.mark.parametrize(
    "text",
    [
        f'callback_token = "{SECRET}',
        f'callback_token = "{SECRET}" x',
        f"callback_token = {SECRET}",
        f'callback_token = "{SECRET}"\ncallback_token = "{SECRET}"',
        f'callback_token = ["{SECRET}"]',
        f'[callback_token]\nvalue = "{SECRET}"',
        f'applications = "{SECRET}"',
        f'[[applications]]\nname = "a"\ntokens = "{SECRET}"',
        f'[[applications]]\nname = "{SECRET} x"\ntokens = ["a"]',
        f'[applications]\ntokens = ["{SECRET}"]',
        f'secret = "{SECRET}"',
    ],
)
def test_no_error_about_the_file_shows_a_secret(text: str, config: Config) -> None:
    """No mistake in the file makes an error show what it holds."""
    with pytest.raises(SettingsError) as refused:
        load(config(text))

    assert SECRET not in everything_said(refused.value)


_NAMES = ["CALLBACK_TOKEN", "API_KEY", "STORE_URL", "APPLICATIONS", "API_KEYS", "LISTEN", "RETRY"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(_NAMES),
    before=st.text('"[]{}:/@#?%+ \n\\,aé', max_size=8),
    after=st.text('"[]{}:/@#?%+ \n\\,aé', max_size=8),
    scheme=st.sampled_from(["", "postgresql://u:", "postgresql://", "sqlite:///"]),
)
def test_no_error_shows_any_part_of_a_value(
    monkeypatch: pytest.MonkeyPatch, name: str, before: str, after: str, scheme: str
) -> None:
    """However a value is broken around its secret, the error does not show the secret."""
    with monkeypatch.context() as patch:
        patch.setenv(f"RECEIVER_{name}", scheme + before + SECRET + after)
        patch.setenv("RECEIVER_ACK", "none of ours" if name != "STORE_URL" else "journal")
        try:
            load()
        except SettingsError as error:
            said = everything_said(error)
        else:
            said = ""

    assert SECRET not in said


def test_settings_cannot_be_changed() -> None:
    """What was checked stays as it was checked."""
    found = load()

    with pytest.raises(ValueError, match="frozen"):
        found.ack = "store"  # type: ignore[misc]  # the very thing that must fail
