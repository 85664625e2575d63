"""Reclassification as pure values: the new state of a message, and the progress of a run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from receiver.domain.effects import MOST_EXAMPLES, Effects
from receiver.domain.projection import DecidedMessage, MessageBuilder, Policy, refold


@dataclass(frozen=True, slots=True)
class Standing:
    """The stored state of a message."""

    state: str
    category: str | None


@dataclass(frozen=True, slots=True)
class CountedChange:
    """What became what, and how often."""

    before: Standing
    after: Standing
    messages: int
    examples: tuple[str, ...]  # ids of the first ones


@dataclass(frozen=True, slots=True)
class Refolded:
    """A stored message, folded by the current rules."""

    decided: DecidedMessage
    before: Standing
    after: Standing


@dataclass(frozen=True, slots=True)
class Rereading:
    """The progress of parsing stored inputs again, and what it changed."""

    uplinks_upto: int = 0  # the highest id when the run began
    uplinks_position: int = 0
    quarantine_upto: int = 0
    quarantine_position: int = 0
    journal_upto: int = 0
    journal_position: int = 0
    messages: int = 0  # that read otherwise now
    uplinks: int = 0  # likewise
    opt_outs: int = 0  # of uplinks that were taken for ordinary ones
    suppressions: int = 0  # whose number was stored otherwise
    recovered: int = 0  # items that the store did not have

    @property
    def position(self) -> int:
        """How much of it is done."""
        return self.uplinks_position + self.quarantine_position + self.journal_position

    @property
    def upto(self) -> int:
        """How much there is."""
        return self.uplinks_upto + self.quarantine_upto + self.journal_upto


@dataclass(frozen=True, slots=True)
class Run:
    """The progress of one run over the history."""

    policy: str  # names the catalogue and the rules that decide
    since: int | None  # microseconds: only messages sent (otherwise first reported) at or after
    upto: int  # the highest id of a message when it began
    started_at: int
    updated_at: int
    position: int = 0  # the id of a message up to which it has come
    examined: int = 0
    changed: int = 0
    changes: tuple[CountedChange, ...] = ()
    finished_at: int | None = None
    rereading: Rereading = field(default_factory=Rereading)
    effects: Effects = field(default_factory=Effects)

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        done, all_of_it = self.position + self.rereading.position, self.upto + self.rereading.upto
        return 1.0 if done >= all_of_it else done / all_of_it

    @property
    def can_go_on(self) -> bool:
        """Whether it may be continued: it has neither come to its end nor been undone."""
        return self.finished_at is None and self.effects.undo is None

    def reread(self, rereading: Rereading, now: int) -> "Run":
        """Return the run as it is after one more stretch of stored items was read again."""
        return replace(
            self,
            rereading=rereading,
            updated_at=now,
            finished_at=_end(self.position, self.upto, rereading, now),
        )

    def after(
        self,
        position: int,
        examined: int,
        changed: Sequence[Refolded],
        now: int,
        *,
        reread: int = 0,
        effects: Effects | None = None,
    ) -> "Run":
        """Return the run as it is after one more stretch of ids.

        Args:
            position: the id at which the stretch ends.
            examined: how many messages it had.
            changed: those of them that are stored otherwise now.
            now: microseconds.
            reread: how many of the messages read otherwise now.
            effects: of the run up to here; None: as before.
        """
        return replace(
            self,
            rereading=replace(self.rereading, messages=self.rereading.messages + reread),
            position=position,
            examined=self.examined + examined,
            changed=self.changed + len(changed),
            changes=_joined(self.changes, changed),
            updated_at=now,
            finished_at=_end(position, self.upto, self.rereading, now),
            effects=effects or self.effects,
        )


def _end(position: int, upto: int, rereading: Rereading, now: int) -> int | None:
    return now if position >= upto and rereading.position >= rereading.upto else None


def reclassify(message: MessageBuilder, policy: Policy) -> Refolded:
    """Fold a stored message again."""
    return compare(message.stored, refold(message, policy))


def compare(stored: Mapping[str, Any], decided: DecidedMessage) -> Refolded:
    """Say where a message stood and where it stands.

    Args:
        stored: the columns of `messages` before.
        decided: as it is now.
    """
    category = decided.verdict.category
    after = Standing(decided.state.value, category.value if category else None)
    return Refolded(decided, Standing(stored["state"], stored["category"]), after)


def _joined(
    changes: Iterable[CountedChange], more: Iterable[Refolded]
) -> tuple[CountedChange, ...]:
    """Count further changes; those that leave state and category alone have no line."""
    counted = {(change.before, change.after): change for change in changes}
    for one in more:
        if one.before == one.after:
            continue
        key = (one.before, one.after)
        known = counted.get(key, CountedChange(*key, 0, ()))
        examples = (*known.examples, one.decided.message.sms_msg_id)[:MOST_EXAMPLES]
        counted[key] = replace(known, messages=known.messages + 1, examples=examples)
    return tuple(sorted(counted.values(), key=_place))


def _place(change: CountedChange) -> tuple[int, list[str]]:
    """Order changes by their number, and equally many so that it does not matter how they came."""
    kinds = (change.before.state, change.before.category, change.after.state, change.after.category)
    return -change.messages, [kind or "" for kind in kinds]
