"""Answers as flat tables of places and values, and how two of them are compared."""

import csv
import difflib
import io
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

Value = str | int | float | bool | list[str] | None
Answers = dict[str, Value]
Kind = Literal["Added", "Changed", "Fixed", "Removed"]

TABLE = Path(__file__).with_name("intended.toml")
ABSENT = "(absent)"
# Both builds are asked at about the same time; a loaded machine lets one wait for the other.
TOLERANCE = timedelta(minutes=5)
_TIME = re.compile(
    r"\d{8}T\d{6}Z|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?"
)
_IDENTIFYING = ("sms_msg_id", "id", "name", "code", "number")
_BLANKS = re.compile(r"\s+")
_RULES = re.compile(r"[─━=-]{4,}")
_SAMPLE = re.compile(r"^(\w+(?:\{.*\})?) (\S+)$")
_PLACEHOLDER = re.compile(r"\{(\d+)\}")


# --- reading ------------------------------------------------------------------------------------


def read_json(where: str, value: Any) -> Answers:
    """Return each leaf of a document by its place."""
    return dict(_leaves(where, value))


def _leaves(where: str, value: Any) -> Iterator[tuple[str, Value]]:
    mark = "" if " > " in where else " > "
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from _leaves(f"{where}{mark or '.'}{name}", member)
    elif isinstance(value, list) and value:
        names = _names(value)
        if names is not None:
            yield f"{where}{mark}[]", names
        for name, member in zip(names or range(len(value)), value, strict=True):
            yield from _leaves(f"{where}{mark}[{name}]", member)
    else:
        yield where, value if isinstance(value, str | int | float | None) else json.dumps(value)


def _names(items: list[Any]) -> list[str] | None:
    """Name the items of a list by what identifies them: one more item changes no other's place."""
    for field_ in _IDENTIFYING:
        names = [item.get(field_) for item in items if isinstance(item, dict)]
        if len(names) == len(items) and all(isinstance(name, str | int) for name in names):
            texts = [str(name) for name in names]
            if len(set(texts)) == len(texts):
                return texts
    return None


def read_lines(text: str) -> list[str]:
    """Return the lines of a text, blanks and drawn lines of any length made one."""
    lines = (_BLANKS.sub(" ", _RULES.sub("─", line)).strip() for line in text.splitlines())
    return [line for line in lines if line]


def read_text(where: str, text: str) -> Answers:
    """Return a text as documents of JSON, one or one a line, if it is that, else as lines."""
    for documents in ([text], text.splitlines()):
        try:
            read = [json.loads(document) for document in documents]
        except ValueError:
            continue
        if any(isinstance(document, dict | list) for document in read):
            return read_json(where, read[0] if len(read) == 1 else read)
    return {where: read_lines(text)}


def read_csv(where: str, text: str) -> Answers:
    """Return each cell by its row and the name of its column."""
    return read_json(where, list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))))


def read_metrics(where: str, text: str) -> Answers:
    """Return each sample by its name and labels, and each help text by its metric."""
    answers: Answers = {}
    for line in text.splitlines():
        if line.startswith("#"):
            _, what, name, *said = line.split(" ", 3)
            answers[f"{where} > {what} {name}"] = " ".join(said)
        elif sample := _SAMPLE.match(line):
            answers[f"{where} > {sample[1]}"] = float(sample[2])
    return answers


# --- what may differ ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A difference that is wanted; see the package's docstring."""

    kind: Kind
    why: str
    where: str = ""
    texts: Sequence[tuple[str, str]] = ()
    patterns: Sequence[tuple[str, str]] = ()
    file: str = ""
    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    changed: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {get_args(Kind)}")

    def rewrite(self, where: str, text: str) -> str:
        """Return a text of the earlier build as the later one says it."""
        if not re.search(self.where, where):
            return text
        for before, after in self.texts:
            text = text.replace(before, after)
        for before, after in self.patterns:
            text = re.sub(before, after, text)
        return _reword(self.file, text) if self.file else text

    def allows(self, where: str, before: Value, after: Value) -> bool:
        """Tell whether anything may differ at a place."""
        places = [*self.changed]
        places += self.added if before == ABSENT else ()
        places += self.removed if after == ABSENT else ()
        return bool(re.search(self.where, where)) and _found(places, where)


@dataclass(frozen=True)
class Rewording:
    """A text before and after, with numbered placeholders that match any text.

    Attributes:
        piece: the longest part of the earlier text without placeholders.
        pattern: matches the earlier text.
        after: what is put in its place.
    """

    piece: str
    pattern: re.Pattern[str]
    after: str

    @classmethod
    def make(cls, before: str, after: str) -> "Rewording":
        """Return the rewording of a row; a placeholder of its own in `after` is an error."""
        pieces = _PLACEHOLDER.split(before)  # every second one is the number of a placeholder
        named: set[str] = set()
        for place in range(1, len(pieces), 2):
            number = pieces[place]
            pieces[place] = f"(?P=p{number})" if number in named else f"(?P<p{number}>.*?)"
            named.add(number)
        pattern = "".join(
            piece if place % 2 else re.escape(piece) for place, piece in enumerate(pieces)
        )
        escaped = after.replace("\\", r"\\")
        return cls(
            max(pieces[::2], key=len),
            re.compile(pattern, re.DOTALL),
            _PLACEHOLDER.sub(r"\\g<p\1>", escaped),
        )


@cache
def _rewordings(file: str) -> list[Rewording]:
    """Read rewordings, the longest first: a text may be part of another."""
    lines = TABLE.with_name(file).read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    made = [Rewording.make(before, after) for before, after in rows]
    return sorted(made, key=lambda one: len(one.pattern.pattern), reverse=True)


@cache
def _reword(file: str, text: str) -> str:
    for one in _rewordings(file):
        if one.piece in text:
            text = one.pattern.sub(one.after, text)
    return text


@dataclass(frozen=True)
class Difference:
    """What two builds answer differently."""

    where: str
    before: Value
    after: Value


@dataclass
class Table:
    """The differences that are wanted, and the places where two runs of one build differ.

    Attributes:
        used: the changes that something was seen of.
    """

    changes: tuple[Change, ...] = ()
    varies: tuple[str, ...] = ()
    used: set[Change] = field(default_factory=set)

    @classmethod
    def load(cls, revision: str = "") -> "Table":
        """Read the table, and what else differs from a revision; unknown keys are an error."""
        own = TABLE.with_name(f"intended_{revision}.toml")
        files = [TABLE, own] if own.exists() else [TABLE]
        documents = [tomllib.loads(file.read_text()) for file in files]
        changes = [entry for document in documents for entry in document.get("change", [])]
        varies = [entry for document in documents for entry in document.get("varies", [])]
        return cls(
            tuple(
                Change(**{name: _frozen(value) for name, value in one.items()}) for one in changes
            ),
            tuple(place for entry in varies for place in entry["where"]),
        )

    def rewrite(self, where: str, text: str) -> str:
        """Return a text of the earlier build with all changes applied that it is subject to."""
        for change in self.changes:
            rewritten = change.rewrite(where, text)
            if rewritten != text:
                self.used.add(change)
            text = rewritten
        return text

    def allows(self, where: str, before: Value, after: Value) -> bool:
        """Tell whether anything may differ at a place."""
        for change in self.changes:
            if change.allows(where, before, after):
                self.used.add(change)
                return True
        return ABSENT not in (before, after) and _found(self.varies, where)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _found(patterns: Sequence[str], where: str) -> bool:
    return any(re.search(pattern, where) for pattern in patterns)


# --- comparing ----------------------------------------------------------------------------------


def compare(
    before: Mapping[str, Value], after: Mapping[str, Value], table: Table
) -> list[Difference]:
    """Return all differences that the table does not name, in the order of the places."""
    found: list[Difference] = []
    unlike: set[str] = set()  # answers of another status, of which that is all there is to say
    for where in dict.fromkeys((*before, *after)):
        name, _, place = where.partition(" > ")
        one, other = before.get(where, ABSENT), after.get(where, ABSENT)
        if place == "status" and one != other:
            unlike.add(name)
        elif name in unlike:
            continue
        if isinstance(one, list) and isinstance(other, list):
            found.extend(_compare_lines(where, one, other, table))
        elif not _alike(where, one, other, table):
            found.append(Difference(where, one, other))
    return found


def _alike(where: str, before: Value, after: Value, table: Table) -> bool:
    if before == after and type(before) is type(after):
        return True
    if isinstance(before, str) and isinstance(after, str):
        rewritten = table.rewrite(where, before)
        if rewritten == after or _alike_but_for_times(rewritten, after):
            return True
    return table.allows(where, before, after)


def _alike_but_for_times(before: str, after: str) -> bool:
    if _TIME.sub("<time>", before) != _TIME.sub("<time>", after):
        return False
    times = zip(_TIME.findall(before), _TIME.findall(after), strict=True)
    return all(
        one == other or abs(_moment(one) - _moment(other)) <= TOLERANCE for one, other in times
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.astimezone()


def _compare_lines(
    where: str, before: list[str], after: list[str], table: Table
) -> Iterator[Difference]:
    """Compare the lines that stand beside each other once the equal ones are paired."""
    same = set(after)
    rewritten = [line if line in same else table.rewrite(where, line) for line in before]
    if where.endswith("> log"):
        rewritten.sort()  # a set of lines, whose order follows from their texts
    pairing = difflib.SequenceMatcher(
        None,
        [_TIME.sub("<time>", line) for line in rewritten],
        [_TIME.sub("<time>", line) for line in after],
        autojunk=False,
    )
    for what, begin, end, other_begin, other_end in pairing.get_opcodes():
        if what == "equal":
            continue
        ones, others = rewritten[begin:end], after[other_begin:other_end]
        for place in range(max(len(ones), len(others))):
            one = ones[place] if place < len(ones) else ABSENT
            other = others[place] if place < len(others) else ABSENT
            line = f"{where} > line {(one if other == ABSENT else other)[:60]}"
            if not _alike(line, one, other, table):
                yield Difference(where, one, other)
