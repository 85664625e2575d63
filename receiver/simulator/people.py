"""Fictitious phone numbers and their answers.

The mainland numbers carry four zeros in their middle. Those abroad come from ranges that the
regulators keep for films (United States, Australia, Sweden) or look made up (Hong Kong,
Singapore).
"""

from random import Random

_MAINLAND_PREFIXES = ("130", "135", "139", "150", "155", "158", "173", "176", "186", "189", "199")
_UNITED_STATES_AREAS = ("202", "212", "305", "415", "617", "713")
_AUSTRALIANS = ("006", "110", "156", "157", "158", "159", "313", "737")

CHANNELS = ("1069000000000012", "1069000000000034", "1069031221280000001")
_EXTENSIONS = ("", "", "", "01", "88")  # with the longest channel number 21 digits, the most

_ANSWERS = {
    "R": 30,
    "r": 4,
    "退订": 12,
    "TD": 6,
    "好的，谢谢": 12,
    "收到": 10,
    "OK, see you at 3": 8,
    "1+1=2 & a=b&c=d 100%": 5,
    "谢谢 😀": 6,
    "status=DELIVRD&smsMsgId=0": 2,
    "请问几点开始?\n我会晚到十分钟": 3,
}


def mainland_number(random: Random) -> str:
    """Make up a mobile number of the Chinese mainland, with its country code."""
    return f"+86{random.choice(_MAINLAND_PREFIXES)}0000{random.randrange(10_000):04d}"


def foreign_number(random: Random) -> tuple[str, str]:
    """Make up a number abroad; gives it and its country (ISO 3166 alpha-2)."""
    country = random.choice(("US", "AU", "SE", "HK", "SG"))
    match country:
        case "US":
            area = random.choice(_UNITED_STATES_AREAS)
            return f"+1{area}55501{random.randrange(100):02d}", country
        case "AU":
            return f"+61491570{random.choice(_AUSTRALIANS)}", country
        case "SE":
            return f"+4670174{random.randrange(605, 700):04d}", country
        case "HK":
            return f"+8525100{random.randrange(10_000):04d}", country
        case _:
            return f"+658100{random.randrange(10_000):04d}", country


def answer(random: Random) -> str:
    """Draw what a recipient replies."""
    return random.choices(list(_ANSWERS), list(_ANSWERS.values()))[0]


def replied_to(random: Random, channel: str) -> str:
    """Return the number that a reply goes to: the channel number, sometimes with an extension."""
    return channel + random.choice(_EXTENSIONS)
