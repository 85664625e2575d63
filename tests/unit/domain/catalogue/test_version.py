"""The version of a catalogue is that of earlier builds."""

from receiver.domain.catalogue.version import catalogue_version
from tests.support.catalogues import row, shared


def test_the_same_rows_have_the_version_of_earlier_builds() -> None:
    """What stores and exports of build 7cb0dc8 name is the version of the same rows today."""
    entry = row("MK:0001", retry_after_s=90, reason='It\'s "so".')
    assert catalogue_version([entry], {"MI": shared("MK")}) == "50d534d2daf0"
