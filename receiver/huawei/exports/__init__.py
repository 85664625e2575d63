"""Files of sends that people have: NDJSON, CSV and XLSX, read row by row whatever their size.

The platform's console exports its sending details as tables; applications keep the platform's
answers, or lists of their own, as one JSON document a line.
"""

from receiver.huawei.exports.cells import read_offset
from receiver.huawei.exports.columns import Columns
from receiver.huawei.exports.doubts import Likeness
from receiver.huawei.exports.files import Export, open_export
from receiver.huawei.exports.headers import COLUMN_NAMES
from receiver.huawei.exports.rows import ExportError, Fault, Found, How, Row, entry_of

__all__ = [
    "COLUMN_NAMES",
    "Columns",
    "Export",
    "ExportError",
    "Fault",
    "Found",
    "How",
    "Likeness",
    "Row",
    "entry_of",
    "open_export",
    "read_offset",
]
