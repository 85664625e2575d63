"""`[retry]`: what can be set, what is refused, and the policy that comes of it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from receiver.app.policies import make_policy, make_retry_policy
from receiver.cli.commands import app
from receiver.domain.catalogue.entries import Category, RetryClass
from receiver.domain.retries.limits import Limit
from receiver.domain.retries.policy import MessageKind, RetryPolicy, Terms, Values
from receiver.domain.retries.windows import Hours
from receiver.errors import SettingsError
from receiver.settings import RetrySettings, Settings, load

EXAMPLE = """
[retry]
attempts = 5
factor = 3
limited_countries = ["CN", "HK"]
identical_per_hour = 0
trust_open = "queue"

[retry.classes.retry-later]
jitter = 0.5

[retry.categories.timeout]
delay_seconds = 7

[retry.categories.handset-unreachable]
attempts = 6

[retry.kinds.code]
per_minute = 1
quiet_hours = "01:00-05:00"

[retry.kinds.promotional]
send_window = ""

[[retry.overrides]]
template_id = "login"
kind = "code"
max_age_seconds = 120

[[retry.overrides]]
reference_prefix = "sale-"
kind = "promotional"
send_window = "10:00-20:00"
retry_duplicates = false
window_seconds = 3600

[retry.budget]
share = 0.1

[retry.breaker]
failures = 50
"""


@pytest.fixture
def example(tmp_path: Path) -> RetryPolicy:
    """Return the policy of the example."""
    file = tmp_path / "receiver.toml"
    file.write_text(EXAMPLE)
    return make_retry_policy(load(file).retry)


def test_the_defaults_are_those_of_the_policy() -> None:
    """Who sets nothing has what the policy itself says, and it is among the rules of decision."""
    assert make_retry_policy(RetrySettings()) == RetryPolicy()
    assert make_policy(Settings()).retry == RetryPolicy()


def test_rules(example: RetryPolicy) -> None:
    """Rules are set by class and category; what is not said stays as it is built in."""
    assert (example.base.attempts, example.base.factor, example.base.window_s) == (5, 3.0, 86_400)
    assert example.classes[RetryClass.RETRY_LATER] == Values(delay_s=1800, jitter=0.5)
    assert example.classes[RetryClass.NEXT_DAY].window_s == 3 * 86_400
    assert example.categories == {
        Category.TIMEOUT: Values(delay_s=7),
        Category.HANDSET_UNREACHABLE: Values(attempts=6, factor=3.0),
    }


def test_limits(example: RetryPolicy) -> None:
    """Each limit has its name; 0 lifts one."""
    assert example.kinds[MessageKind.CODE].limits == (
        Limit("retry.kinds.code.per_minute", 60, 1),
        Limit("retry.kinds.code.per_day", 86_400, 50),
    )
    assert [limit.name for limit in example.identical] == ["retry.identical_per_minute"]
    assert example.limited_countries == {"CN", "HK"}


def test_terms(example: RetryPolicy) -> None:
    """Hours and ages are set by kind; an empty text lifts a window."""
    assert example.kinds[MessageKind.CODE].terms == Terms(300, False, None, Hours(60, 300))  # noqa: FBT003
    assert example.kinds[MessageKind.PROMOTIONAL].terms.send_window is None


def test_overrides(example: RetryPolicy) -> None:
    """Overrides are tried in their order and are called by their place."""
    login, sale = example.overrides

    assert (login.name, login.kind, login.terms.max_age_s) == (
        "retry.overrides.0",
        MessageKind.CODE,
        120,
    )
    assert example.override_for("login", "sale-1") == login
    assert example.override_for(None, "sale-1") == sale
    assert example.override_for("other", "other") is None
    assert sale.terms == Terms(None, False, Hours(600, 1200), None)  # noqa: FBT003
    assert sale.values == Values(window_s=3600)
    assert example.kind_of("other", "sale-1") is MessageKind.PROMOTIONAL
    assert example.kind_of("other", None) is MessageKind.NOTIFICATION


def test_budget_breaker_and_trust(example: RetryPolicy) -> None:
    """What else there is follows its setting."""
    assert (example.budget.share, example.budget.floor) == (0.1, 100)
    assert (example.breaker.failures, example.breaker.pause_s) == (50, 300)
    assert example.trust_open == "queue"


BAD_ROWS = [
    pytest.param("attempts = 0", "retry.attempts: ", id="no send at all"),
    pytest.param("attempts = 51", "retry.attempts: ", id="longer than a chain is followed"),
    pytest.param("factor = 0.5", "retry.factor: ", id="sooner each time"),
    pytest.param("jitter = 1.5", "retry.jitter: ", id="more jitter than delay"),
    pytest.param("cap_seconds = 0", "retry.cap_seconds: ", id="a cap of nothing"),
    pytest.param('zone = "Mars/Base"', "retry.zone: must be the name of a time zone", id="zone"),
    pytest.param('kind = "spam"', "retry.kind: ", id="kind"),
    pytest.param('limited_countries = ["86"]', "retry.limited_countries.0: ", id="country"),
    pytest.param('trust_open = "yes"', "retry.trust_open: ", id="trust"),
    pytest.param("classes.never.attempts = 2", "retry.classes.never.[key]: ", id="class"),
    pytest.param("classes.next-day.delay_seconds = 2", "retry.classes.next-day.delay_seconds: "
                 "unknown setting", id="the delay of a class has a setting of its own"),
    pytest.param("categories.off.attempts = 2", "retry.categories.off.[key]: ", id="category"),
    pytest.param("kinds.spam.attempts = 2", "retry.kinds.spam: unknown setting",
                 id="rules of no kind"),
    pytest.param('kinds.code.quiet_hours = "25:00-3"',
                 "retry.kinds.code.quiet_hours: must be two different times of day", id="hours"),
    pytest.param('kinds.promotional.quiet_hours = "08:00-22:00"', "retry.kinds.promotional: "
                 "send_window and quiet_hours leave no time of day", id="no hour left"),
    pytest.param('overrides = [{kind = "code"}]', "retry.overrides.0: template_id or ref",
                 id="an override for nobody"),
    pytest.param('overrides = [{template_id = "a", reference_prefix = "b"}]',
                 "retry.overrides.0: template_id or reference_prefix", id="an override for two"),
    pytest.param('overrides = [{template_id = "a", kind = "promotional", '
                 'quiet_hours = "07:00-23:00"}]', "retry: overrides.0: send_window and quiet_hours",
                 id="no hour left by an override and its kind"),
    pytest.param("budget.share = 2", "retry.budget.share: ", id="more retries than sends"),
    pytest.param("breaker.cap_seconds = 5", "retry.breaker: cap_seconds must not", id="cap"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "problem"), BAD_ROWS)
def test_bad_values_are_explained(line: str, problem: str, tmp_path: Path) -> None:
    """A bad value is told by its setting, by `load` and by `receiver check` alike."""
    file = tmp_path / "receiver.toml"
    file.write_text(f"[retry]\n{line}\n")

    with pytest.raises(SettingsError) as refused:
        load(file)
    checked = CliRunner().invoke(app, ["check", "--config", str(file)])

    assert str(refused.value).startswith(problem)
    assert len(str(refused.value).splitlines()) == 1
    assert checked.exit_code != 0
    assert f"error: {problem}" in checked.stderr


def test_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable reaches into the sections; what stands beside it keeps its default."""
    monkeypatch.setenv("RECEIVER_RETRY__KINDS__CODE__PER_MINUTE", "1")
    monkeypatch.setenv("RECEIVER_RETRY__CLASSES", '{"next-day": {"attempts": 2}}')

    policy = make_retry_policy(load().retry)

    code = policy.kinds[MessageKind.CODE]
    assert (code.limits[0].sends, code.terms.max_age_s) == (1, 300)
    next_day = policy.classes[RetryClass.NEXT_DAY]
    assert (next_day.attempts, next_day.window_s) == (2, 3 * 86_400)
