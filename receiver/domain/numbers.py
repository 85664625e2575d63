"""Phone numbers: all notations of a number are normalised to one."""

import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote

import phonenumbers
from phonenumbers import PhoneNumberType, ValidationResult

from receiver.domain.identifiers import clean, visible
from receiver.domain.storable import ESCAPED_NUL

# The platform adds +86 to a number without a country code (sms_05_0001).
HOME_REGION = "CN"
_MAINLAND_MOBILE = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9})")
_DIALLABLE = re.compile(r"[+0-9()./\s\u2010-\u2015\u2212-]+")  # no mask, no alias, no extension
_LONGEST = 40  # the documented maximum is 21; longer text is no phone number
_HOME_CODE = str(phonenumbers.country_code_for_region(HOME_REGION))
# How a number is written in full without a plus sign: with the trunk prefix, or the country code.
_FULL_AT_HOME = ("0", _HOME_CODE)
_SUBSCRIBERS = frozenset({PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE})
# What stands in place of a number and is none: a short code or channel number, a number whose
# digits are partly masked, an alias such as `csms12345678`.
_AS_WRITTEN = re.compile(r"[+(]*[0-9*][0-9*()./\s\u2010-\u2015-]*|[A-Za-z]{1,10}[0-9]{3,}")
_FEWEST_DIGITS = 3
MASK = "*"  # stands for digits that are not shown
_NEITHER_DIGIT_NOR_MASK = re.compile(r"[^0-9*]")


def seen(text: str) -> str:
    """Return what is seen of a number, without what surrounds it; a NUL that was escaped goes."""
    return visible(clean(text)).replace(ESCAPED_NUL, "")


def normalise(text: str | None) -> str | None:
    """Return the E.164 form (`+8615500005172`), or the cleaned text when it is no number in full.

    A number is in full with its country code behind `+` or 00; of the home region also as a mobile
    number, with the trunk prefix and area code, or with the country code alone. Short codes
    (`10086`), channel numbers, masked numbers and aliases stay as written, but for characters that
    nobody sees. A number that was escaped for a form once more than needed (`%2B86...`) is read.
    """
    if text is None:
        return None
    mainland = _MAINLAND_MOBILE.fullmatch(text)
    if mainland:
        return "+86" + mainland[1]
    text = seen(text)
    return _parse(text)[0] if text else None


def is_number(text: str) -> bool:
    """Return whether a text is the E.164 form of a number that can be dialled."""
    # What is no number stays as it was written, which then is no longer this text.
    return text.startswith("+") and normalise(f"00{text[1:]}") == text


def may_stand_for_number(text: str) -> bool:
    """Return whether a text can stand where numbers do: a number in full, or what replaces one.

    That is a short code, a channel number, a masked number or an alias; anything else, such as
    `abc`, an order number or a piece of two digits, is a mistake of anyone who asks for it.
    """
    written = normalise(text) or ""
    if is_number(written):
        return True
    plain = unicodedata.normalize("NFKC", written)
    digits = sum(character.isdigit() for character in plain)
    return (
        len(plain) <= _LONGEST and digits >= _FEWEST_DIGITS and bool(_AS_WRITTEN.fullmatch(plain))
    )


def may_be_same(one: str, other: str) -> bool:
    """Return whether two texts can name one number: in other writings, or one of them masked."""
    first, second = normalise(one) or "", normalise(other) or ""
    return first == second or _fits(first, second) or _fits(second, first)


def _fits(masked: str, number: str) -> bool:
    """Return whether a number in full ends as a masked one shows, each mask for one digit."""
    if MASK not in masked or MASK in number:
        return False
    shown = _NEITHER_DIGIT_NOR_MASK.sub("", masked)
    digits = _NEITHER_DIGIT_NOR_MASK.sub("", number)[-len(shown) :]
    if len(digits) < len(shown) or len(shown) - shown.count(MASK) < _FEWEST_DIGITS:
        return False
    return all(one in (MASK, digit) for one, digit in zip(shown, digits, strict=True))


def without_home_code(number: str) -> str:
    """Return a stored number as it was written where it is no number in full.

    The country code of the home region was once put in front of short codes too: `+8668849` was
    `68849`. A number in full stays.
    """
    is_short = number.startswith(f"+{_HOME_CODE}") and not is_number(number)
    return number.removeprefix(f"+{_HOME_CODE}") if is_short else number


def normalise_channel(text: str) -> str:
    """Return a channel number as plain digits; an alias such as `csms12345678` stays as it is."""
    return "".join(seen(text).split()).removeprefix("+")


def is_mainland_mobile(text: str) -> bool:
    """Return whether the text alone, without a country code, is a mainland mobile number."""
    return _MAINLAND_MOBILE.fullmatch(text) is not None and text.startswith("1")


def country_of(text: str | None) -> str | None:
    """Return the ISO 3166 alpha-2 country of a number in any writing, None when unknown."""
    if text is None:
        return None
    if _MAINLAND_MOBILE.fullmatch(text):
        return HOME_REGION
    return _parse(seen(text))[1]


@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[str, str | None]:
    plain = unicodedata.normalize("NFKC", text)  # full-width digits and signs, as people type
    if "%" in plain:
        plain = _unescape(plain)
    plain = " ".join(plain.split())  # no other blanks are read
    if len(plain) > _LONGEST or not _DIALLABLE.fullmatch(plain):
        return text, None
    try:
        number = phonenumbers.parse(plain, HOME_REGION)
    except phonenumbers.NumberParseException:
        return text, None
    if not _is_in_full(plain, number):
        return text, None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if phonenumbers.parse(written) != number:  # no number that can be dialled: zeros and the like
        return text, None
    country = phonenumbers.region_code_for_number(number)
    return written, country if country in phonenumbers.SUPPORTED_REGIONS else None


def _unescape(text: str) -> str:
    """Undo what escaped a text for a form, once or twice more than needed."""
    for _ in range(2):
        text = unquote(text)
    return seen(text)


def _is_in_full(written: str, number: phonenumbers.PhoneNumber) -> bool:
    """Tell whether a number in full was written, and not a short code, a piece of one or a date."""
    begin = written.lstrip("( ")
    if begin.startswith(("+", "00")):
        reason = phonenumbers.is_possible_number_with_reason(number)
        return bool(reason == ValidationResult.IS_POSSIBLE)
    digits = "".join(filter(str.isdigit, written))
    if _MAINLAND_MOBILE.fullmatch(digits):
        return True
    return digits.startswith(_FULL_AT_HOME) and phonenumbers.number_type(number) in _SUBSCRIBERS
