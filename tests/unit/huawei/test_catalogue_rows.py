"""Bad rows of the user's own catalogue file: each is told with its line, field and reason."""

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.huawei.catalogue import load_catalogue
from receiver.huawei.catalogue_rows import FIELDS
from receiver.huawei.toml_lines import field_lines


def problems(file: Path, content: str) -> list[str]:
    """Return what is said about a file of this content, without the file's name."""
    file.write_text(content, encoding="utf-8", newline="")
    with pytest.raises(ValueError, match=re.escape(str(file))) as caught:
        load_catalogue(file)
    return [line.removeprefix(f"{file}, ") for line in str(caught.value).splitlines()]


ROW = {"code": "XQ:1", "category": "routing", "retry": "never", "meaning": "Own words"}
BAD = [
    # the fields that make the row bad, the field that is named and the beginning of the reason
    pytest.param({"code": ""}, "code: the field is empty", id="no-code"),
    pytest.param({"code": "*"}, "code: '*' would match every code", id="every-code"),
    pytest.param({"code": "?*"}, "code: '?*' would match every code", id="every-character"),
    pytest.param({"code": "X" * 65}, "code: longer than 64 characters", id="long-code"),
    pytest.param({"code": " XQ"}, "code: the text begins or ends with white", id="blank-before"),
    pytest.param(
        {"origin": "mars"}, "origin: 'mars' is not one of platform, supplier", id="origin"
    ),
    pytest.param({"scope": "moon"}, "scope: 'moon' is not one of mainland", id="scope"),
    pytest.param({"category": "odd"}, "category: 'odd' is not one of delivered", id="category"),
    pytest.param({"category": "Routing"}, "category: 'Routing' is not one of", id="category-case"),
    pytest.param({"category": "delivered"}, "category: only the platform's own", id="delivered"),
    pytest.param({"category": "accepted"}, "category: only the platform's own", id="accepted"),
    pytest.param(
        {"category": ""}, "category: required for a code that is not in", id="no-category"
    ),
    pytest.param({"retry": "often"}, "retry: 'often' is not one of none, retry-soon", id="retry"),
    pytest.param({"retry": "investigate"}, "retry: 'investigate' is not one of", id="investigate"),
    pytest.param({"retry": ""}, "retry: required for a code that is not in", id="no-retry"),
    pytest.param({"retry_after_s": "0"}, "retry_after_s: '0' is not an integer", id="no-wait"),
    pytest.param({"retry_after_s": "1h"}, "retry_after_s: '1h' is not an integer", id="wait"),
    pytest.param({"retry_after_s": "9" * 5000}, "retry_after_s: '999", id="endless-wait"),
    pytest.param({"billable": "perhaps"}, "billable: 'perhaps' is not yes or", id="billable"),
    pytest.param({"billable": "true"}, "billable: 'true' is not yes or no", id="true-text"),
    pytest.param({"meaning": ""}, "meaning: required for a code that is not in", id="no-meaning"),
    pytest.param({"meaning": "x" * 161}, "meaning: longer than 160 characters", id="long"),
    pytest.param({"cause_zh": "字" * 161}, "cause_zh: longer than 160", id="long-chinese"),
    pytest.param({"suggestion": "Wait. "}, "suggestion: the text begins or ends", id="blank"),
    pytest.param({"cause": "a\u0007b"}, "cause: the text contains a line break or", id="bell"),
    pytest.param(
        {"source": "a\u2028b"}, "source: the text contains a line break", id="line-separator"
    ),
]


@pytest.mark.parametrize(("fields", "complaint"), BAD)
def test_a_bad_row_of_a_csv_file_is_refused(
    tmp_path: Path, fields: dict[str, str], complaint: str
) -> None:
    """The problem names file, line, field and reason."""
    bad = ROW | fields
    lines = [",".join(bad), ",".join({**dict.fromkeys(bad, ""), **ROW, "code": "XQ:2"}.values())]
    (said,) = problems(tmp_path / "own.csv", "\n".join([*lines, "", ",".join(bad.values())]))
    assert said.startswith(f"line 4, {complaint}")


@pytest.mark.parametrize(("fields", "complaint"), BAD)
def test_a_bad_row_of_a_toml_file_is_refused(
    tmp_path: Path, fields: dict[str, str], complaint: str
) -> None:
    """The same, with the line of the field itself, or of the table where it has none."""
    bad = {name: text for name, text in (ROW | fields).items() if text}
    written = [f'{name} = "{text}"'.replace("\a", "\\u0007") for name, text in bad.items()]
    (said,) = problems(tmp_path / "own.toml", "\n".join(["# own rows", "", "[[codes]]", *written]))
    field = complaint.partition(":")[0]
    line = 4 + list(bad).index(field) if field in bad else 3
    assert said.startswith(f"line {line}, {complaint}")


VALUES = [
    pytest.param("1.5", "must be a string, an integer", id="fraction"),
    pytest.param('["a"]', "must be a string, an integer", id="list"),
    pytest.param("{ a = 1 }", "must be a string, an integer", id="table"),
    pytest.param("2018-04-13", "must be a string, an integer", id="date"),
    pytest.param("inf", "must be a string, an integer", id="infinite"),
    pytest.param('"""two\nlines"""', "the text contains a line break", id="two-lines"),
]


@pytest.mark.parametrize("field", ["code", "meaning", "source"])
@pytest.mark.parametrize(("value", "reason"), VALUES)
def test_a_value_of_another_kind_is_refused(
    tmp_path: Path, field: str, value: str, reason: str
) -> None:
    """What TOML can say but no field takes is no text in brackets, but a problem."""
    given_ = {name: f'"{text}"' for name, text in ROW.items()} | {field: value}
    written = "\n".join(f"{name} = {text}" for name, text in given_.items())
    (said,) = problems(tmp_path / "own.toml", f"[[codes]]\n{written}\n")
    assert said.startswith(f"line {2 + list(given_).index(field)}, {field}: {reason}")


def test_numbers_and_truth_values_are_read_as_csv_has_them(tmp_path: Path) -> None:
    """A bare number is a code or a wait, true and false are yes and no."""
    file = tmp_path / "own.toml"
    file.write_text("[[codes]]\ncode = 908\nretry_after_s = 5\nbillable = false\n")
    (made,) = [e for e in load_catalogue(file).entries if e.source.endswith("own.toml")][:1]
    assert (made.code, made.retry_after_s, made.billable) == ("908", 5, False)


def test_an_unknown_field_is_named(tmp_path: Path) -> None:
    """A misspelled field is refused with those that there are, in both kinds of file."""
    there_are = f"unknown field; the fields are {', '.join(FIELDS)}"
    said = problems(tmp_path / "own.csv", "code,retrie\nXQ:1,never\n")
    assert said == [f"line 1, retrie: {there_are}"]
    toml = '[[codes]]\ncode = "XQ:1"\n"retrie" = "never"\n[codes.more]\na = 1\n'
    assert problems(tmp_path / "own.toml", toml) == [f"line 3, retrie: {there_are}"]


TWINS = [
    pytest.param(
        "MK:0015,\nMK:0015,\n", "line 3, code: the row is given more than once", id="same"
    ),
    pytest.param("MK:0015,\nmk:0015 ,\n", "line 3, code: the text begins", id="blank-is-worse"),
    pytest.param(
        "MK:0015,\nmk:0015,\n", "line 3, code: the row is given more than once", id="case"
    ),
    pytest.param("LIMIT,supplier\nLIMIT,supplier\n", "line 3, code: the row is given", id="origin"),
]


@pytest.mark.parametrize(("rows", "complaint"), TWINS)
def test_a_row_that_stands_twice_is_refused(tmp_path: Path, rows: str, complaint: str) -> None:
    """Two rows for one code and origin contradict each other; the first one is named."""
    lines = [line + ",never" for line in rows.splitlines()]
    (said,) = problems(tmp_path / "own.csv", "\n".join(["code,origin,retry", *lines]))
    assert said.startswith(complaint)
    if "twice" in complaint:
        assert said.endswith("before in line 2")


def test_rows_of_one_code_for_two_origins_are_no_twins(tmp_path: Path) -> None:
    """One row for all origins and one for a single origin can stand beside each other."""
    file = tmp_path / "own.csv"
    file.write_text("code,origin,retry\nLIMIT,,never\nLIMIT,carrier-mobile,retry-soon\n")
    rows = [entry for entry in load_catalogue(file).entries if entry.code == "LIMIT"]
    assert {entry.origin: entry.retry.value for entry in rows} == {
        "supplier": "never",
        "carrier-mobile": "retry-soon",
    }


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Whoever mends the file needs to start once; good rows in between say nothing."""
    said = problems(
        tmp_path / "own.csv",
        "code,category,retry,meaning\n"
        "MK:0015,lost,never,\n"
        "MK:0001,routing,never,Own words\n"
        "XQ:1,routing,,Own words\n"
        "*,routing,never,Own words\n"
        "XQ:2,routing,never,Own words,extra\n"
        "MK:0001,routing,never,Own words\n",
    )
    places = [line.split(": ")[0] for line in said]
    assert places == [
        "line 2, category", "line 4, retry", "line 5, code", "line 6, row", "line 7, code",
    ]  # fmt: skip


def test_very_many_problems_are_counted(tmp_path: Path) -> None:
    """Of a file that is wrong throughout, the first fifty problems are told, the rest counted."""
    rows = "".join(f"XQ:{number},lost,never\n" for number in range(60))
    said = problems(tmp_path / "own.csv", f"code,category,retry\n{rows}")
    assert len(said) == 51
    assert said[49].startswith("line 51, category")
    assert said[50].endswith(": and 10 more problems")


# --- the lines of a TOML file

HARD = '''# a comment with """ in it, and [[codes]]
note = """
[[codes]]
"""
  [[codes]] # the first
code = "A" # code = "B"
"meaning" = "it's \'\'\' quoted # here"
'cause'= """
several lines
code = "C"
[[codes]]
"""
retry = "never" # \'\'\'

[[ "codes" ]]
code = \'\'\'has """ inside\'\'\'
source = """ends \\""" not here
scope = "D"
"""
billable = true
meaning = """"quoted""""
cause = ""
suggestion = "\\\\"
category = "last"
[[codes]]'''


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_the_lines_of_fields_are_found(ends: str) -> None:
    """Comments and texts of several lines neither hide a field nor make one."""
    text = HARD.replace("\n", ends)
    found = field_lines(text, "codes")
    assert found == [
        (5, {"code": 6, "meaning": 7, "cause": 8, "retry": 13}),
        (
            15,
            {
                "code": 16,
                "source": 17,
                "billable": 20,
                "meaning": 21,
                "cause": 22,
                "suggestion": 23,
                "category": 24,
            },
        ),
        (25, {}),
    ]
    tables = tomllib.loads(text)["codes"]
    assert [set(fields) for _, fields in found] == [set(table) for table in tables]


WRITINGS = st.sampled_from(
    [
        *('"a"', "'b'", "7", "true", '"""c"""', "'''d'''", '"#"', '\'"""\'', '"\\""', '""'),
        *('"""\nx = 1\n[[codes]]\n"""', "'''\n\"\"\"\n'''", '"[[codes]]"', '""""e""""'),
    ]
)
COMMENTS = st.sampled_from(["", "# c", '# """', "# '''", "# [[codes]]", "\n", "# it's"])


@given(tables=st.lists(st.dictionaries(st.sampled_from(FIELDS), st.tuples(WRITINGS, COMMENTS))))
def test_any_valid_file_has_its_fields_where_they_are_told(
    tables: list[dict[str, tuple[str, str]]],
) -> None:
    """Each table and field of a valid file is found at the line on which it begins."""
    text, expected = "", []
    for table in tables:
        lines = {}
        start = text.count("\n") + 1
        text += "[[codes]]\n"
        for name, (value, comment) in table.items():
            lines[name] = text.count("\n") + 1
            text += f"{name} = {value} {comment}\n"
        expected.append((start, lines))
    assert len(tomllib.loads(text).get("codes", [])) == len(tables)
    assert field_lines(text, "codes") == expected
