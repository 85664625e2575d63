"""Known fields of a push that are not used; they are recorded in the quarantine."""

from collections.abc import Iterable, Mapping
from typing import Any

from receiver.domain.identifiers import clean
from receiver.domain.members import Pairs, repeated
from receiver.domain.whole_numbers import is_given

LIST = "statusReportList"
# All that is documented in a push. Others may be of persons, and are not named.
_FIELDS = (
    LIST, "smsMsgId", "status", "statusDesc", "sequence", "total", "source", "updateTime",
    "orgCode", "extend", "from", "to", "body", "createTime",
)  # fmt: skip
_OTHER = "an undocumented field"


class Unused:
    """Notes what of one push is not used."""

    def __init__(self) -> None:
        self._repeated: set[str] = set()
        self._beside: set[str] = set()
        self._replies = 0  # items that are reports and hold the text of a reply

    def object(self, pairs: Pairs) -> dict[str, Any]:
        """Return a JSON object; of a member that is given more than once the last counts."""
        made = dict(pairs)
        if len(made) != len(pairs):
            self._repeated |= repeated(pairs)
        return made

    def form(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Note which fields of a form are given more than once; `pairs` are not escaped."""
        self._repeated |= repeated([(name, clean(value)) for name, value in pairs])

    def list_again(self) -> None:
        """Note that there is a second list of reports."""
        self._repeated.add(LIST)

    def beside(self, name: Any, value: Any) -> None:
        """Note what stands beside the list of reports."""
        if name in _FIELDS and name != LIST and is_given(value):
            self._beside.add(name)

    def item(self, item: Mapping[str, Any]) -> None:
        """Note what a status report holds that belongs to other pushes."""
        if is_given(item.get("body")) and is_given(item.get("from")):
            self._replies += 1
        if is_given(item.get(LIST)):
            self._beside.add(LIST)

    def tell(self) -> str | None:
        """Return what is not used; None: nothing is left out."""
        said = []
        if self._repeated:
            names = _named(self._repeated)
            said.append(
                f"Given more than once with different values; the last one is used: {names}."
            )
        if LIST in self._beside:
            said.append(
                f"`{LIST}` is given together with the fields of a single report and is "
                "ignored. Send it separately."
            )
        if self._beside - {LIST}:
            names = _named(self._beside - {LIST})
            said.append(f"Ignored because `{LIST}` is given: {names}.")
        if self._replies:
            said.append(
                "A status report contains the text of an uplink SMS (`body`), which is "
                "ignored. Send the uplink as a separate push."
            )
        return " ".join(said) or None


def _named(names: set[str]) -> str:
    told = [f"`{name}`" for name in _FIELDS if name in names]
    return ", ".join([*told, _OTHER] if names.difference(_FIELDS) else told)
