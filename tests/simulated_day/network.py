"""Platform and carriers: what becomes of one send at one moment."""

from collections import defaultdict
from dataclasses import dataclass

from receiver.domain.messages.state import State
from receiver.domain.retries.policy import MessageKind
from receiver.domain.retries.windows import Hours, is_blocked
from receiver.domain.retries.zones import zones_of
from receiver.domain.times import SECOND
from tests.simulated_day.world import DAY, GLITCH, HOUR, MINUTE, Sms, World

PLATFORM, CARRIER = 1, 2  # who made a report
# Of the same number, by kind: stretch, sends, code when more come (operations of the platform).
LIMITS = {
    MessageKind.CODE: ((MINUTE, 2, "MILIMIT"), (DAY, 50, "LIMIT")),
    MessageKind.NOTIFICATION: ((MINUTE, 10, "MILIMIT"), (DAY, 50, "LIMIT")),
    MessageKind.PROMOTIONAL: ((HOUR, 4, "CTLIMIT"), (DAY, 10, "LIMIT")),
}
SAME_TEXT = ((59 * SECOND, 2, "MILIMIT"), (59 * MINUTE, 5, "CTLIMIT"))
NIGHT = (Hours(22 * 60, 8 * 60),)


@dataclass(frozen=True, slots=True)
class End:
    """What becomes of one send."""

    state: State
    code: str
    source: int | None
    heard_at: int  # when the sender knows
    arrived_at: int | None = None  # at the phone, known to the sender or not


class Network:
    """Remembers what was sent; each strategy has one of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._minutes: dict[int, int] = defaultdict(int)
        self._to: dict[tuple[str, MessageKind], list[int]] = defaultdict(list)
        self._same: dict[str, list[int]] = defaultdict(list)

    def send(self, sms: Sms, now: int) -> End:
        """Send a message, for the first time or again."""
        self._minutes[now // MINUTE] += 1
        if self._minutes[now // MINUTE] > self._world.per_minute:
            return End(State.REFUSED, "E200015", None, now)
        limited = self._limit(sms, now)
        if limited is not None:
            return End(State.FAILED, limited, PLATFORM, now + SECOND)
        self._to[sms.person.number, sms.kind].append(now)
        self._same[sms.name].append(now)
        return end_of(self._world, sms, now)

    def sent_to(self, sms: Sms) -> list[int]:
        """Return when SMSs of its kind went to its number, those beyond a limit aside."""
        return self._to[sms.person.number, sms.kind]

    def _limit(self, sms: Sms, now: int) -> str | None:
        if sms.person.country != "CN":
            return None
        earlier = self._to[sms.person.number, sms.kind]
        for stretch, sends, code in LIMITS[sms.kind]:
            if sum(at > now - stretch for at in earlier) >= sends:
                return code
        for stretch, sends, code in SAME_TEXT:
            if sum(at > now - stretch for at in self._same[sms.name]) >= sends:
                return code
        return None


def end_of(world: World, sms: Sms, now: int) -> End:
    """Tell what becomes of a send that keeps all limits."""
    delay = SECOND + int(8 * SECOND * world.drawn("delay", sms.name, now))
    stopped = _stopped(world, sms, now)
    if stopped is not None:
        return End(State.FAILED, stopped[0], stopped[1], now + delay)
    person = sms.person
    back_at = person.off_until(now)
    if back_at is not None:
        if not person.held_for:
            return End(State.FAILED, person.off_code, CARRIER, now + delay)
        if back_at > now + person.held_for:
            return End(State.FAILED, "EXPIRED", CARRIER, now + person.held_for)
        return End(State.DELIVERED, "DELIVRD", CARRIER, back_at + delay, back_at)
    if world.drawn("timeout", person.number, now) < world.shares.timeout:
        arrived = world.drawn("lost", person.number, now) < 0.5
        heard_at = now + 3 * MINUTE
        return End(State.FAILED, "TIMEOUT", CARRIER, heard_at, now + delay if arrived else None)
    return End(State.DELIVERED, "DELIVRD", CARRIER, now + delay, now + delay)


def _stopped(world: World, sms: Sms, now: int) -> tuple[str, int] | None:
    """Return the code of what stops a send whether or not the phone is on, and who says so."""
    code = _stopped_by_platform(sms, now)
    if code is not None:
        return code, PLATFORM
    code = _stopped_by_carrier(world, sms, now)
    return None if code is None else (code, CARRIER)


def _stopped_by_platform(sms: Sms, now: int) -> str | None:
    if sms.forbidden:
        return "KEYWORD"
    if sms.kind is not MessageKind.PROMOTIONAL:
        return None
    person = sms.person
    if person.opted_out_at is not None and person.opted_out_at <= now:
        return "SC:0016"
    at_night = is_blocked(now, NIGHT, zones_of(person.number, "Asia/Shanghai"))
    return "SC:0011" if at_night and person.country == "CN" else None


def _stopped_by_carrier(world: World, sms: Sms, now: int) -> str | None:
    person = sms.person
    if person.blocked:
        return "MBBLACK"
    if person.dead_code is not None:
        return person.dead_code
    channel, begins, ends, code = world.outage
    if sms.channel == channel and begins <= now < ends:
        return code
    drawn = world.drawn("glitch", person.number, now)
    if drawn < world.shares.glitch:
        return GLITCH[int(drawn / world.shares.glitch * len(GLITCH))]
    return None
