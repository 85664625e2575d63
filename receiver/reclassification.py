"""Folding history again, as pure values: what becomes of a message, and how far a run has come."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from receiver.projection import Decided, Message, Policy, refold

MOST_EXAMPLES = 3  # ids for each kind of change


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a message stands, as it is stored."""

    state: str
    category: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What became what, and how often."""

    before: Standing
    after: Standing
    messages: int
    examples: tuple[str, ...]  # ids of the first ones


@dataclass(frozen=True, slots=True)
class Refolded:
    """A stored message, folded by today's rules."""

    decided: Decided
    before: Standing
    after: Standing


@dataclass(frozen=True, slots=True)
class Run:
    """One walk through history, as far as it has come."""

    policy: str  # names the catalogue and the rules that decide
    since: int | None  # microseconds: only messages sent (else first heard of) at or after
    upto: int  # the highest id of a message when it began
    started_at: int
    updated_at: int
    position: int = 0  # the id of a message up to which it has come
    examined: int = 0
    changed: int = 0
    changes: tuple[Change, ...] = ()
    finished_at: int | None = None

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return 1.0 if self.position >= self.upto else self.position / self.upto

    def after(self, position: int, examined: int, changed: Sequence[Refolded], now: int) -> "Run":
        """Give the run as it is after one more stretch of ids.

        Args:
            position: the id at which the stretch ends.
            examined: how many messages it had.
            changed: those of them that are stored otherwise now.
            now: microseconds.
        """
        return replace(
            self,
            position=position,
            examined=self.examined + examined,
            changed=self.changed + len(changed),
            changes=_joined(self.changes, changed),
            updated_at=now,
            finished_at=now if position >= self.upto else None,
        )


def reclassify(message: Message, policy: Policy) -> Refolded:
    """Fold a stored message again."""
    decided = refold(message, policy)
    category = decided.verdict.category
    after = Standing(decided.state.value, category.value if category else None)
    return Refolded(decided, _standing(message.stored), after)


def _standing(stored: Mapping[str, Any]) -> Standing:
    return Standing(stored["state"], stored["category"])


def _joined(changes: Iterable[Change], more: Iterable[Refolded]) -> tuple[Change, ...]:
    """Count further changes; those that leave state and category alone have no line."""
    counted = {(change.before, change.after): change for change in changes}
    for one in more:
        if one.before == one.after:
            continue
        key = (one.before, one.after)
        known = counted.get(key, Change(*key, 0, ()))
        examples = (*known.examples, one.decided.message.sms_msg_id)[:MOST_EXAMPLES]
        counted[key] = replace(known, messages=known.messages + 1, examples=examples)
    return tuple(sorted(counted.values(), key=_place))


def _place(change: Change) -> tuple[int, list[str]]:
    """Order changes by their number, and equally many so that it does not matter how they came."""
    kinds = (change.before.state, change.before.category, change.after.state, change.after.category)
    return -change.messages, [kind or "" for kind in kinds]
