"""Writing small XLSX files, in the ways in which different programs write them."""

import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Formula:
    """A cell that is calculated, as a program writes it that does not calculate.

    Attributes:
        empty: how it writes that there is no result.
    """

    text: str = "B2"
    empty: str = ""


Value = str | int | float | bool | datetime | Formula | None
Rows = Sequence[Sequence[Value]]

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_STYLES = (
    '<numFmts><numFmt numFmtId="170" formatCode="yyyy\\-mm\\-dd&quot; at &quot;hh:mm"/>'
    '<numFmt numFmtId="171" formatCode="[Red]0.00&quot;days&quot;"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="22"/></cellStyleXfs>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="22"/><xf numFmtId="170"/><xf numFmtId="171"/>'
    "</cellXfs>"
)


def xlsx(
    rows: Rows,
    *,
    shared: bool = True,
    date_style: int = 1,
    since_1904: bool = False,
    prefix: str = "",
    references: bool = True,
    more_sheets: Mapping[str, Rows] | None = None,
    hidden: Collection[str] = (),
    hidden_rows: Collection[int] = (),
    merged: Sequence[str] = (),
) -> bytes:
    """Write a workbook.

    Args:
        rows: the cells of the first sheet, which is called `Details`.
        shared: texts stand in a part of their own, as in Excel, and not in the cells.
        date_style: of dates: 1 built in, 2 of its own, 3 and 0 none of a date.
        since_1904: dates are counted from 1904, as once on the Macintosh.
        prefix: of the XML names.
        references: rows and cells say where they stand.
        more_sheets: further ones by name.
        hidden: names of sheets that are.
        hidden_rows: their numbers, in each sheet.
        merged: ranges of the first sheet.
    """
    cells = _Cells(shared, date_style, 1904 if since_1904 else 1900, references)

    def sheet(content: Rows, ranges: Sequence[str]) -> str:
        lines = []
        for number, row in enumerate(content, 1):
            line = "".join(
                cells.write(value, f"{chr(65 + at)}{number}") for at, value in enumerate(row)
            )
            where = f' r="{number}"' if references else ""
            seen = ' hidden="1"' if number in hidden_rows else ""
            lines.append(f"<row{where}{seen}>{line}</row>")
        cells_of = "".join(f'<mergeCell ref="{one}"/>' for one in ranges)
        merges = f"<mergeCells>{cells_of}</mergeCells>" if ranges else ""
        data = f"<sheetData>{''.join(lines)}</sheetData>"
        return f'<worksheet xmlns="{_MAIN}">{data}{merges}</worksheet>'

    sheets = {"Details": rows, **(more_sheets or {})}
    parts = {
        f"xl/worksheets/sheet{at}.xml": sheet(one, () if at else merged)
        for at, one in enumerate(sheets.values())
    }
    states = ("visible", "hidden")
    entries = "".join(
        f'<sheet name="{escape(name)}" sheetId="{at + 1}" r:id="s{at}"'
        f' state="{states[name in hidden]}"/>'
        for at, name in enumerate(sheets)
    )
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_REL}"><workbookPr date1904="{int(since_1904)}"/>'
        f"<sheets>{entries}</sheets></workbook>"
    )
    parts["xl/styles.xml"] = f'<styleSheet xmlns="{_MAIN}">{_STYLES}</styleSheet>'
    items = "".join(
        f"<si><r><t>{escape(text[:1])}</t></r><r><t>{escape(text[1:])}</t></r>"
        "<rPh><t>spoken</t></rPh></si>"
        for text in cells.texts
    )
    parts["xl/sharedStrings.xml"] = f'<sst xmlns="{_MAIN}">{items}</sst>'
    if prefix:
        parts = {name: _prefixed(part, prefix) for name, part in parts.items()}
    targets = {f"s{at}": ("worksheet", f"worksheets/sheet{at}.xml") for at in range(len(sheets))}
    targets["t"] = ("sharedStrings", "/xl/sharedStrings.xml")
    targets["y"] = ("styles", "styles.xml")
    parts["xl/_rels/workbook.xml.rels"] = _relations(targets)
    parts["_rels/.rels"] = _relations({"b": ("officeDocument", "xl/workbook.xml")})
    return zipped(parts)


@dataclass
class _Cells:
    shared: bool
    date_style: int
    since: int
    references: bool
    texts: dict[str, int] = field(default_factory=dict)

    def write(self, value: Value, place: str) -> str:
        attributes, content = self._parts(value)
        where = f' r="{place}"' if self.references else ""
        return f"<c{where}{attributes}>{content}</c>"

    def _parts(self, value: Value) -> tuple[str, str]:
        match value:
            case None:
                return "", ""
            case bool():
                parts = ' t="b"', f"<v>{int(value)}</v>"
            case Formula():
                parts = "", f"<f>{escape(value.text)}</f>{value.empty}"
            case datetime():
                parts = f' s="{self.date_style}"', f"<v>{self._days(value)!r}</v>"
            case str() if value.startswith("#"):
                parts = ' t="e"', f"<v>{value}</v>"
            case str() if self.shared:
                parts = ' t="s"', f"<v>{self.texts.setdefault(value, len(self.texts))}</v>"
            case str():
                parts = ' t="inlineStr"', f"<is><t>{escape(value)}</t></is>"
            case _:
                parts = "", f"<v>{value!r}</v>"
        return parts

    def _days(self, moment: datetime) -> float:
        # A spreadsheet knows no zones.
        first = datetime(1904, 1, 1) if self.since == 1904 else datetime(1899, 12, 30)  # noqa: DTZ001
        return (moment - first) / timedelta(days=1)


def zipped(parts: Mapping[str, str]) -> bytes:
    """Put parts into one file."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{part}')
    return file.getvalue()


def _prefixed(part: str, prefix: str) -> str:
    return (
        part.replace("</", "</\0")
        .replace("<", f"<{prefix}:")
        .replace(f"<{prefix}:/\0", f"</{prefix}:")
        .replace("xmlns=", f"xmlns:{prefix}=")
    )


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    entries = "".join(
        f'<Relationship Id="{name}" Type="{_REL}/{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f"{entries}</Relationships>"
    )
