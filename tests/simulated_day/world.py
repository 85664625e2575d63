"""The world of one day: people, their phones, what is sent to them and what goes wrong.

Nothing in it depends on what is sent again: every strategy meets the same day. How much of what
goes wrong differs from seed to seed, within wide ranges.
"""

from bisect import bisect_right
from dataclasses import dataclass
from random import Random
from zlib import crc32

from receiver.domain.retries.policy import MessageKind
from receiver.domain.times import SECOND

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_772_899_200 * SECOND  # 2026-03-07T16:00Z: midnight in China; New York changes its clocks
SLOT = 5 * MINUTE  # a fault of the network lasts that long

TEMPLATES = {
    MessageKind.CODE: "login-code",
    MessageKind.NOTIFICATION: "parcel-here",
    MessageKind.PROMOTIONAL: "spring-sale",
}
CHANNELS = ("106900010001", "106900010002", "106900010003")
ABROAD = ("+1212555", "+4477001", "+6142220", "+3361234")
# Codes of real lists, by what is behind them.
OFF = ("MK:0012", "SGIP:58", "LT:0001", "UNDELIV", "MN:0001", "SGIP:4", "SMGPERR:113")
DEAD = ("MB:1043", "9", "ID:0021")
GLITCH = ("MK:0041", "DB:9001", "MK:0057", "IA:0051", "XQ:0017")  # the last is in no list
OUTAGE = ("MK:0040", "SGIP:3", "MB:0100", "IA:0051")
BY_HOUR = (1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 15, 14, 12, 11, 12, 13, 14, 14, 13, 12, 11, 8, 5, 2)


@dataclass(frozen=True, slots=True)
class Person:
    """One recipient. All times are microseconds."""

    number: str
    country: str
    off: tuple[tuple[int, int], ...] = ()  # when the phone cannot be reached
    off_code: str = "MK:0012"  # what the network says then
    held_for: int = 0  # the network keeps an SMS so long for a phone that is off; 0: not at all
    dead_code: str | None = None  # a number that nobody has
    blocked: bool = False  # on a carrier's blocklist
    opted_out_at: int | None = None

    def off_until(self, moment: int) -> int | None:
        """Return when the phone comes back; None when it is on."""
        at = bisect_right(self.off, (moment, 1 << 62)) - 1
        return self.off[at][1] if at >= 0 and moment < self.off[at][1] else None


@dataclass(frozen=True, slots=True)
class Sms:
    """One message of the day, as the application sends it first."""

    name: str
    person: Person
    kind: MessageKind
    channel: str
    at: int
    forbidden: bool  # its text is stopped by a filter, always


@dataclass(frozen=True, slots=True)
class World:
    """A day."""

    seed: int
    shares: "Shares"
    messages: tuple[Sms, ...]
    outage: tuple[str, int, int, str]  # channel, from, until, code
    per_minute: int  # what the platform takes from the application

    def drawn(self, what: str, name: str, moment: int) -> float:
        """Draw what is fixed for a name and a slot of time, whoever asks: 0 to just below 1."""
        return crc32(f"{self.seed}/{what}/{name}/{moment // SLOT}".encode()) / (1 << 32)


@dataclass(frozen=True, slots=True)
class Shares:
    """How much goes wrong."""

    dead: float
    dead_said_off: float  # of the dead: numbers of which the network says that the phone is off
    off: float  # how often a phone is off, or busy, in two and a half days, on average
    off_short: float  # of these times: minutes
    off_long: float  # ... a night or a day; the others are hours
    off_said_dead: float  # of these phones: the network says that nobody has the number
    unpaid: float  # ... or that the bill is not paid
    held: float  # ... or it keeps the SMS until the phone is back
    blocked: float
    opted_out: float
    forbidden: float
    glitch: float  # of the slots of each person
    timeout: float  # of the slots: the network loses the report, and half of the SMSs
    hurried: float  # of the people: many messages in a short time
    abroad: float
    code: float
    promotional: float
    minutes: float  # a short time off, on average


def draw_shares(rng: Random) -> Shares:
    """Draw how much goes wrong on a day."""
    return Shares(
        dead=rng.uniform(0.01, 0.08),
        dead_said_off=rng.uniform(0.2, 0.6),
        off=rng.uniform(0.5, 2.5),
        off_short=rng.uniform(0.3, 0.6),
        off_long=rng.uniform(0.1, 0.3),
        off_said_dead=rng.uniform(0.0, 0.05),
        unpaid=rng.uniform(0.0, 0.05),
        held=rng.uniform(0.2, 0.5),
        blocked=rng.uniform(0.003, 0.01),
        opted_out=rng.uniform(0.005, 0.02),
        forbidden=rng.uniform(0.002, 0.01),
        glitch=rng.uniform(0.003, 0.015),
        timeout=rng.uniform(0.001, 0.004),
        hurried=rng.uniform(0.002, 0.008),
        abroad=rng.uniform(0.0, 0.08),
        code=rng.uniform(0.2, 0.45),
        promotional=rng.uniform(0.05, 0.25),
        minutes=rng.uniform(5, 20),
    )


def make_world(seed: int, messages: int) -> World:
    """Make a day with about so many messages."""
    rng = Random(seed)  # noqa: S311 - a simulation
    shares = draw_shares(rng)
    people = [_person(number, rng, shares) for number in range(max(1, messages * 2 // 3))]
    sent = [_sms(rng, rng.choice(people), shares) for _ in range(messages)]
    for person in people:
        if rng.random() < shares.hurried:
            sent += _hurry(rng, person)
    sent.sort(key=lambda one: one.at)
    named = [
        Sms(f"m-{n}", one.person, one.kind, one.channel, one.at, one.forbidden)
        for n, one in enumerate(sent)
        # Whoever has opted out is not sent to: the application asks before it sends.
        if one.person.opted_out_at is None or one.person.opted_out_at > one.at
    ]
    begins = START + int(rng.uniform(8, 20) * HOUR)
    return World(
        seed,
        shares,
        tuple(named),
        (rng.choice(CHANNELS), begins, begins + HOUR, rng.choice(OUTAGE)),
        per_minute=max(20, int(messages / (24 * 60) * rng.uniform(4, 8))),
    )


def _person(number: int, rng: Random, shares: Shares) -> Person:
    if rng.random() < shares.abroad:
        prefix = rng.choice(ABROAD)
        digits, country = prefix + f"{number % 10_000:04}", {"1": "US", "4": "GB", "6": "AU"}
        found = Person(digits, country.get(prefix[1], "FR"))
    else:
        found = Person(f"+8613{number:09}", "CN")
    dead = rng.random() < shares.dead
    said_off = rng.random() < shares.dead_said_off
    says_dead = rng.random() < shares.off_said_dead
    unpaid = rng.random() < shares.unpaid
    off_code = rng.choice(DEAD) if says_dead else "ERR:056" if unpaid else rng.choice(OFF)
    held = rng.random() < shares.held
    return Person(
        found.number,
        found.country,
        off=_times_off(rng, shares),
        off_code=off_code,
        held_for=int(rng.uniform(1, 24) * HOUR) if held else 0,
        dead_code=(rng.choice(OFF) if said_off else rng.choice(DEAD)) if dead else None,
        blocked=rng.random() < shares.blocked,
        opted_out_at=(
            START + int(rng.uniform(-0.5, 1) * DAY) if rng.random() < shares.opted_out else None
        ),
    )


def _times_off(rng: Random, shares: Shares) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    at = rng.expovariate(shares.off)
    while at < 1:
        begins = START + int((at * 2.5 - 0.5) * DAY)
        at += rng.expovariate(shares.off)
        drawn = rng.random()
        if drawn < shares.off_short:
            lasts = rng.expovariate(1 / shares.minutes) * MINUTE
        elif drawn < 1 - shares.off_long:
            lasts = rng.lognormvariate(0.6, 0.8) * HOUR  # half of them under 1.8 hours
        else:
            lasts = rng.lognormvariate(2.3, 0.5) * HOUR  # half of them under 10 hours
        found.append((begins, begins + int(lasts)))
    merged: list[tuple[int, int]] = []
    for begins, ends in sorted(found):
        if merged and begins <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(ends, merged[-1][1]))
        else:
            merged.append((begins, ends))
    return tuple(merged)


def _sms(rng: Random, person: Person, shares: Shares) -> Sms:
    drawn = rng.random()
    kind = MessageKind.NOTIFICATION
    if drawn < shares.code:
        kind = MessageKind.CODE
    elif drawn < shares.code + shares.promotional:
        kind = MessageKind.PROMOTIONAL
    hour = rng.choices(range(24), BY_HOUR)[0]
    at = START + int((hour + rng.random()) * HOUR)
    if kind is MessageKind.PROMOTIONAL:  # campaigns at 10, 15 and 19 o'clock, of 40 minutes each
        at = START + rng.choice((10, 15, 19)) * HOUR + int(rng.random() * 40 * MINUTE)
    return Sms("", person, kind, rng.choice(CHANNELS), at, rng.random() < shares.forbidden)


def _hurry(rng: Random, person: Person) -> list[Sms]:
    """Make somebody ask for codes again and again, or an application that knows no measure."""
    at = START + int(rng.uniform(8, 21) * HOUR)
    channel = rng.choice(CHANNELS)
    if rng.random() < 0.5:
        return [
            Sms("", person, MessageKind.CODE, channel, at + n * 12 * SECOND, forbidden=False)
            for n in range(rng.randint(3, 6))
        ]
    kind = rng.choice((MessageKind.NOTIFICATION, MessageKind.PROMOTIONAL))
    gap = (20 if kind is MessageKind.NOTIFICATION else 300) * SECOND
    sends = range(rng.randint(8, 60))
    return [
        Sms("", person, kind, channel, moment, forbidden=False)
        for moment in (at + n * gap for n in sends)
        if kind is not MessageKind.PROMOTIONAL or (moment - START) % DAY < 22 * HOUR
    ]
