"""What is sent again: nothing, everything at fixed times, or what the policy says."""

from collections import defaultdict

from receiver.app.policies import make_retry_policy
from receiver.domain.inputs import Trust
from receiver.domain.messages.state import State
from receiver.domain.retries import breaker
from receiver.domain.retries.admission import AdmissionOutcome, Context, Watched, admit
from receiver.domain.retries.breaker import Breaker, Counts, Result
from receiver.domain.retries.planning import Plan, RetryCandidate, fraction_of, plan
from receiver.domain.retries.policy import RetryPolicy
from receiver.domain.retries.recipient_limits import RecipientSend
from receiver.domain.times import SECOND
from receiver.domain.verdict import match_for
from receiver.settings import RetrySettings
from receiver.settings.retry import OverrideSettings
from tests.simulated_day.day import CATALOGUE, Chain, Run, subject_of, verdict_of
from tests.simulated_day.network import End
from tests.simulated_day.world import DAY, MINUTE, START, TEMPLATES

_POLL = 10 * SECOND
_CLAIMED_AT_ONCE = 10
_FIXED_WAIT = 60 * SECOND
_FIXED_RETRIES = 3
_Watch = tuple[str, str]  # code; channel or country

# What a company sets that has told the receiver what its templates are, and nothing else.
SETTINGS = RetrySettings(
    overrides=[
        OverrideSettings(template_id=template, kind=kind.value)
        for kind, template in TEMPLATES.items()
    ]
)


class Never:
    """Sends nothing again."""

    def ended(self, chain: Chain, end: End, run: Run) -> None:
        """Do nothing."""

    def due(self, chain: Chain, run: Run) -> bool:  # noqa: ARG002 - the same for all strategies
        """Let nothing go."""
        return False


class Fixed:
    """Sends everything that failed again, three times, a minute after each failure."""

    def ended(self, chain: Chain, end: End, run: Run) -> None:
        """Schedule the next send of whatever failed."""
        if end.state is not State.DELIVERED and len(chain.sends) <= _FIXED_RETRIES:
            run.schedule(chain, end.heard_at + _FIXED_WAIT)

    def due(self, chain: Chain, run: Run) -> bool:  # noqa: ARG002 - as above
        """Let everything go."""
        return True


class ByPolicy:
    """Sends again what the receiver's own functions plan and admit."""

    def __init__(self, policy: RetryPolicy | None = None) -> None:
        self._policy = make_retry_policy(SETTINGS) if policy is None else policy
        self._watching = _Watching(self._policy)
        self._claimed: dict[int, int] = defaultdict(int)
        self._sends: dict[int, int] = defaultdict(int)
        self._retries: dict[int, int] = defaultdict(int)

    def ended(self, chain: Chain, end: End, run: Run) -> None:
        """Plan the next send."""
        self._sends[chain.sends[-1] // DAY] += 1
        self._watching.ended(chain, end, run.now)
        planned = self._plan(chain)
        if planned.due_at is not None:
            run.schedule(chain, planned.due_at)

    def due(self, chain: Chain, run: Run) -> bool:
        """Judge again what is due, and put back what has to wait."""
        slot = run.now // _POLL
        if self._claimed[slot] >= _CLAIMED_AT_ONCE:
            run.schedule(chain, (slot + 1) * _POLL)
            return False
        candidate, planned = self._candidate(chain), self._plan(chain)
        watches = self._watching.of(chain, run.now)
        context = Context(
            suppressed=run.is_suppressed(chain.sms),
            recent=tuple(
                RecipientSend(at, kind)
                for at, kind in run.sent_to[chain.sms.person.number]
                if at > run.now - DAY
            ),
            chain=tuple(chain.sends),
            sends_today=self._sends[run.now // DAY],
            retries_today=self._retries[run.now // DAY],
            breakers=tuple(Watched(scope, state) for (_, scope), state in watches.items()),
        )
        admission = admit(candidate, planned, context, self._policy, run.now)
        if admission.decision is AdmissionOutcome.GO:
            self._claimed[slot] += 1
            self._retries[run.now // DAY] += 1
            self._watching.goes(chain, watches, run.now)
            return True
        if admission.until is not None:
            run.schedule(chain, admission.until)
        return False

    def _plan(self, chain: Chain) -> Plan:
        candidate = self._candidate(chain)
        fraction = fraction_of(candidate.application, chain.sms.name, candidate.attempts)
        return plan(candidate, self._policy, fraction)

    def _candidate(self, chain: Chain) -> RetryCandidate:
        sms, end = chain.sms, chain.ends[-1]
        verdict, match = verdict_of(end), match_for(subject_of(end), CATALOGUE)
        entry = None if match is None else match.entry
        return RetryCandidate(
            application="shop",
            sms_msg_id=sms.name,
            number=sms.person.number,
            country=sms.person.country,
            template_id=TEMPLATES[sms.kind],
            reference=None,
            state=end.state,
            category=verdict.category,
            retry=None if entry is None else entry.retry,
            code=end.code,
            failed_at=None if end.state is State.DELIVERED else end.heard_at,
            first_sent_at=sms.at,
            attempts=len(chain.sends),
            retry_after_s=None if entry is None else entry.retry_after_s,
            action=verdict.action,
            duplicate_risk=verdict.duplicate_risk,
            registered=True,
            trust=Trust.SIGNED,
        )


class _Watching:
    """Keeps the states of the breakers, and counts as the queue does, whole hours and all sends."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._options = policy.breaker
        self._ended: dict[str, list[int]] = defaultdict(_minutes)
        self._failed: dict[_Watch, list[int]] = defaultdict(_minutes)
        self._states: dict[_Watch, Breaker] = {}
        self._probes: dict[str, list[_Watch]] = {}

    def ended(self, chain: Chain, end: End, now: int) -> None:
        """Count an end, and judge the probe that it ends."""
        minute = _minute(now)
        for scope in _scopes(chain):
            self._ended[scope][minute] += 1
            if end.state is not State.DELIVERED:
                self._failed[end.code, scope][minute] += 1
        for watch in self._probes.pop(chain.sms.name, []):
            result = Result.DELIVERED
            if end.state is not State.DELIVERED:
                result = Result.FAILED if end.code == watch[0] else Result.OTHER
            self._states[watch] = breaker.probe_ended(
                self._states[watch], result, self._options, now
            )

    def of(self, chain: Chain, now: int) -> dict[_Watch, Breaker]:
        """Return the breakers that a retry has to do with, as they are now."""
        code = chain.ends[-1].code
        for scope in _scopes(chain):
            watch = (code, scope)
            recent, baseline = self._counts(watch, now)
            self._states[watch] = breaker.observe(
                self._states.get(watch, breaker.CLOSED), recent, baseline, self._options, now
            )
        return {(code, scope): self._states[code, scope] for scope in _scopes(chain)}

    def goes(self, chain: Chain, watches: dict[_Watch, Breaker], now: int) -> None:
        """Note the probe that goes, if it is one."""
        probed = [
            watch
            for watch, state in watches.items()
            if state.position is not breaker.Position.CLOSED
        ]
        for watch in probed:
            self._states[watch] = breaker.probe_sent(self._states[watch], self._options, now)
        if probed:
            self._probes[chain.sms.name] = probed

    def _counts(self, watch: _Watch, now: int) -> tuple[Counts, Counts]:
        here = _minute(now) + 1
        recent = (here - self._options.recent_s // 60) // 60 * 60  # from the start of an hour
        before = recent - self._options.baseline_s // 60
        return (
            self._between(watch, max(0, recent), here),
            self._between(watch, max(0, before), max(0, recent)),
        )

    def _between(self, watch: _Watch, begins: int, ends: int) -> Counts:
        return Counts(
            sum(self._ended[watch[1]][begins:ends]), sum(self._failed[watch][begins:ends])
        )


def _minutes() -> list[int]:
    return [0] * (8 * 24 * 60)


def _minute(moment: int) -> int:
    return (moment - START) // MINUTE


def _scopes(chain: Chain) -> tuple[str, str]:
    return chain.sms.channel, chain.sms.person.country
