"""Phone numbers: every way of writing one leads to the same person."""

import re
import unicodedata
from functools import lru_cache

import phonenumbers

# The platform adds +86 to a number without a country code (sms_05_0001).
HOME_REGION = "CN"
_MAINLAND_MOBILE = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9})")
_DIALLABLE = re.compile(r"[+0-9()./\s\u2010-\u2015-]+")  # no mask, no alias, no extension
_LONGEST = 40  # the documented maximum is 21; longer text is no phone number


def normalise(text: str | None) -> str | None:
    """Give the E.164 form (`+8615500005172`), or the trimmed text when it is no phone number.

    Masked numbers, channel aliases and typing errors stay findable as they were written.
    """
    if text is None:
        return None
    mainland = _MAINLAND_MOBILE.fullmatch(text)
    if mainland:
        return "+86" + mainland[1]
    text = text.strip()
    return _parse(text)[0] if text else None


def is_number(text: str) -> bool:
    """Tell whether a text is the E.164 form of a number that can be dialled."""
    # What is no number stays as it was written, which then is no longer this text.
    return text.startswith("+") and normalise(f"00{text[1:]}") == text


def is_complete(text: str, number: str) -> bool:
    """Tell whether a number in full was meant, and not a piece of one, or a date.

    Args:
        text: as somebody wrote it; without a country code it must be a number that is in use.
        number: the same as E.164.
    """
    parsed = phonenumbers.parse(number)
    if text.strip().startswith(("+", "00")):
        reason = phonenumbers.is_possible_number_with_reason(parsed)
        return bool(reason == phonenumbers.ValidationResult.IS_POSSIBLE)
    return phonenumbers.is_valid_number(parsed)


def normalise_channel(text: str) -> str:
    """Give a channel number as plain digits; an alias such as `csms12345678` stays as it is."""
    return "".join(text.split()).removeprefix("+")


def is_mainland_mobile(text: str) -> bool:
    """Tell whether the text alone, without a country code, is a mainland mobile number."""
    return _MAINLAND_MOBILE.fullmatch(text) is not None and text.startswith("1")


def country_of(text: str | None) -> str | None:
    """Give the ISO 3166 alpha-2 country of a number in any writing, None when unknown."""
    if text is None:
        return None
    if _MAINLAND_MOBILE.fullmatch(text):
        return HOME_REGION
    return _parse(text.strip())[1]


@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[str, str | None]:
    plain = unicodedata.normalize("NFKC", text)  # full-width digits and signs, as people type
    if len(plain) > _LONGEST or not _DIALLABLE.fullmatch(plain):
        return text, None
    try:
        number = phonenumbers.parse(plain, HOME_REGION)
    except phonenumbers.NumberParseException:
        return text, None
    if not phonenumbers.is_possible_number(number):
        return text, None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if phonenumbers.parse(written) != number:  # no number that can be dialled: zeros and the like
        return text, None
    country = phonenumbers.region_code_for_number(number)
    return written, country if country in phonenumbers.SUPPORTED_REGIONS else None
