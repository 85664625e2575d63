"""The oracle: knows the future, and sends again exactly what will arrive, once, when it will."""

from collections import defaultdict
from collections.abc import Sequence

from receiver.domain.messages.state import State
from receiver.domain.retries.policy import MessageKind, RetryPolicy
from receiver.domain.retries.rule_layers import Resolved, resolve
from receiver.domain.retries.windows import first_free
from receiver.domain.retries.zones import zones_of
from receiver.domain.times import SECOND
from receiver.domain.verdict import match_for
from tests.simulated_day.day import CATALOGUE, Chain, Figures, Run, subject_of
from tests.simulated_day.network import LIMITS, End, end_of
from tests.simulated_day.world import SLOT, TEMPLATES, Sms, World


class Foreseeing:
    """Looks for a moment within the policy's windows and hours at which a message arrives.

    It keeps the limits of each number, and no other: neither what the platform takes in a minute
    nor the pauses of a policy bind it. So it delivers at least what anybody could.
    """

    def __init__(self, world: World, policy: RetryPolicy) -> None:
        self._world, self._policy = world, policy
        self._failed: list[tuple[Chain, End]] = []

    def ended(self, chain: Chain, end: End, run: Run) -> None:  # noqa: ARG002 - as for all
        """Note what did not arrive."""
        if end.state is not State.DELIVERED and not chain.in_time:
            self._failed.append((chain, end))

    def due(self, chain: Chain, run: Run) -> bool:  # noqa: ARG002 - as for all
        """Let nothing go: what it foresees is counted when the day is over."""
        return False

    def figures(self) -> Figures:
        """Run the day of first sends, and add a retry for each message that one can deliver."""
        run = Run(self._world, self)
        found = run.finish()
        added: dict[tuple[str, MessageKind], list[int]] = defaultdict(list)
        for chain, end in sorted(self._failed, key=lambda one: self._deadline(*one)):
            sms = chain.sms
            again = added[sms.person.number, sms.kind]
            sends = sorted([*run.network.sent_to(sms), *again])
            moment = self._moment(chain, end, sends)
            if moment is not None:
                again.append(moment)
                found.delivered += 1
                found.attempts += 1
        return found

    def _resolved(self, chain: Chain, end: End) -> Resolved:
        match = match_for(subject_of(end), CATALOGUE)
        if match is None:
            raise ValueError("no failure")
        entry = match.entry
        return resolve(
            TEMPLATES[chain.sms.kind],
            None,
            entry.category,
            entry.retry,
            entry.retry_after_s,
            self._policy,
        )

    def _deadline(self, chain: Chain, end: End) -> int:
        deadline = chain.sms.at + self._resolved(chain, end).life_s * SECOND
        opted_out_at = chain.sms.person.opted_out_at
        return deadline if opted_out_at is None else min(deadline, opted_out_at - 1)

    def _moment(self, chain: Chain, end: End, sends: Sequence[int]) -> int | None:
        """Return the first moment at which a retry arrives; None where there is none."""
        sms, deadline = chain.sms, self._deadline(chain, end)
        blocked = self._resolved(chain, end).blocked
        zones = zones_of(sms.person.number, self._policy.zone)
        step = 5 * SECOND if sms.kind is MessageKind.CODE else SLOT
        moment = first_free(end.heard_at, blocked, zones)
        while moment is not None and moment <= deadline:
            later = end_of(self._world, sms, moment)
            in_time = sms.kind is not MessageKind.CODE or (later.arrived_at or 0) <= deadline
            if later.arrived_at is not None and in_time and _fits(sms, moment, sends):
                return moment
            moment = first_free(moment + step, blocked, zones)
        return None


def _fits(sms: Sms, moment: int, sends: Sequence[int]) -> bool:
    """Tell whether one more send keeps the limits of its number, those later in the day too."""
    if sms.person.country != "CN":
        return True
    for stretch, most, _ in LIMITS[sms.kind]:
        near = sorted([moment, *(at for at in sends if abs(at - moment) < stretch)])
        if any(
            sum(begins <= at < begins + stretch for at in near) > most
            for begins in near
            if begins <= moment
        ):
            return False
    return True
