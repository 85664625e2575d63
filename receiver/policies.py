"""The rules of decision, made from the settings."""

from receiver.domain.catalogue import Catalogue
from receiver.domain.optouts import make_words
from receiver.domain.verdict import RetryWaits
from receiver.errors import SettingsError
from receiver.huawei.catalogue import load_catalogue
from receiver.projection import Policy
from receiver.settings import Settings


def make_catalogue(settings: Settings) -> Catalogue:
    """Read the catalogue in force.

    Raises:
        SettingsError: the catalogue file cannot be used; the text has a line for each problem.
    """
    try:
        return load_catalogue(settings.catalogue_file)
    except ValueError as error:
        problems = (f"catalogue_file: {line}" for line in str(error).splitlines())
        raise SettingsError("\n".join(problems)) from None


def make_policy(settings: Settings) -> Policy:
    """Make the rules of decision.

    Raises:
        SettingsError: as for the catalogue.
    """
    return Policy(
        catalogue=make_catalogue(settings),
        late_delivered=settings.late_delivered,
        waits=RetryWaits(
            soon_s=settings.retry.soon_seconds,
            later_s=settings.retry.later_seconds,
            next_day_s=settings.retry.next_day_seconds,
        ),
        words=make_words(settings.uplinks.opt_out_words, settings.uplinks.opt_in_words),
    )
