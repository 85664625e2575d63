"""How messages end: status codes with the weights of an ordinary day, and their texts.

Weights say how often a code is seen among failures. `source` says who made the report: 1 the SMS
platform, 2 the SMSC, 3 the Huawei platform (sms_05_0003).
"""

from dataclasses import dataclass
from random import Random

DELIVERED_SHARE = 0.92
REFUSED_SHARE = 0.01

_WEIGHTS_OF_MAINLAND_FAILURES = {
    ("UNDELIV", "2"): 18,
    ("MK:0012", "2"): 9,
    ("REJECTD", "2"): 8,
    ("EXPIRED", "2"): 7,
    ("MK:0013", "2"): 6,
    ("MBBLACK", "2"): 6,
    ("MK:1006", "2"): 5,
    ("SGIP:58", "2"): 4,
    ("2:12", "2"): 4,
    ("LIMIT", "2"): 4,
    ("MK:0004", "2"): 3,
    ("SC:0016", "3"): 3,
    ("SGIP:4", "2"): 3,
    ("MN:0001", "2"): 3,
    ("E200023", "1"): 2,
    ("MILIMIT", "2"): 2,
    ("KEYWORD", "2"): 2,
    ("SMGPERR:113", "2"): 2,
    ("SGIP:23", "2"): 2,
    ("SC:0006", "3"): 2,
    ("MB:1043", "2"): 2,
    ("ID:0096", "2"): 1,
    ("E200027", "1"): 1,
    ("REJECTD*704", "2"): 1,
    ("CL26:-37", "2"): 1,
    ("UNKNOWN", "2"): 1,
}
# status, source, and what the network abroad said (`orgCode`; None: it said nothing)
_WEIGHTS_OF_INTERNATIONAL_FAILURES = {
    ("UNDELIV", "2", "1"): 8,
    ("UNDELIV", "2", "27"): 5,
    ("EXPIRED", "2", None): 4,
    ("REJECTD", "2", "EC:034"): 4,
    ("RTE_ERR", "2", "E200027"): 2,
    ("UNDELIV", "2", "SGIP:58"): 2,
    ("E200025", "1", None): 1,
}
_WEIGHTS_OF_REFUSALS = {"E200028": 4, "E200033": 3, "E200041": 2, "E200015": 1}
_UNLISTED_PREFIXES = ("XQ:", "ZV:", "QX.")

DESCRIPTIONS = {
    "DELIVRD": "用户已成功收到短信",
    "UNDELIV": "短信未能送达",
    "EXPIRED": "短信已超过有效期",
    "REJECTD": "短信被拒绝",
    "MBBLACK": "号码在黑名单中",
    "LIMIT": "号码当日接收次数已达上限",
    "KEYWORD": "短信内容含有敏感词",
    "E200023": "未匹配到被叫号码的通道",
    "SC:0016": "退订黑名单拦截",
}


@dataclass(frozen=True, slots=True)
class SimulatedOutcome:
    """What the reports of one message say."""

    status: str
    source: str
    org_code: str | None = None
    dated: bool = True  # False: the platform built the report itself and gave no updateTime


_DELIVERED_ABROAD = SimulatedOutcome("DELIVRD", "2", "000")
_DELIVERED = SimulatedOutcome("DELIVRD", "2")
_GIVEN_UP = SimulatedOutcome("EXPIRED", "1", dated=False)
_MAINLAND_FAILURES = [SimulatedOutcome(*key) for key in _WEIGHTS_OF_MAINLAND_FAILURES]
_INTERNATIONAL_FAILURES = [SimulatedOutcome(*key) for key in _WEIGHTS_OF_INTERNATIONAL_FAILURES]


def draw(
    random: Random, *, international: bool, unknown_share: float, given_up_share: float
) -> SimulatedOutcome:
    """Draw how a message ends.

    The two shares are taken out of the failures first, so that the share of the delivered stays
    as it is while they leave room for it.
    """
    chance = random.random()
    if chance < unknown_share:
        return SimulatedOutcome(unlisted_code(random), "2")
    if chance < unknown_share + given_up_share:
        return _GIVEN_UP
    if chance < unknown_share + given_up_share + DELIVERED_SHARE:
        return _DELIVERED_ABROAD if international else _DELIVERED
    return draw_failure(random, international=international)


def draw_failure(random: Random, *, international: bool) -> SimulatedOutcome:
    """Draw one of the failures that the lists know."""
    if international:
        weights = _WEIGHTS_OF_INTERNATIONAL_FAILURES.values()
        return random.choices(_INTERNATIONAL_FAILURES, list(weights))[0]
    return random.choices(_MAINLAND_FAILURES, list(_WEIGHTS_OF_MAINLAND_FAILURES.values()))[0]


def unlisted_code(random: Random) -> str:
    """Make up a status code that no list knows, in the usual length of 7 at most."""
    return f"{random.choice(_UNLISTED_PREFIXES)}{random.randrange(10_000):04d}"


def draw_refusal(random: Random) -> str:
    """Draw the status of an entry that the platform refuses in its send response."""
    return random.choices(list(_WEIGHTS_OF_REFUSALS), list(_WEIGHTS_OF_REFUSALS.values()))[0]
