"""Files of sends: NDJSON, CSV and XLSX, read row by row regardless of their size.

The platform's console exports its sending details as tables; applications keep the platform's
answers, or lists of their own, as one JSON document a line.
"""

from receiver.huawei.imports.cells import read_offset
from receiver.huawei.imports.columns import Columns
from receiver.huawei.imports.doubts import Likeness
from receiver.huawei.imports.files import Export, open_export, spooled
from receiver.huawei.imports.headers import COLUMN_NAMES, REJECTED
from receiver.huawei.imports.rows import ExportError, Fault, How, Row, SendRow

__all__ = [
    "COLUMN_NAMES",
    "REJECTED",
    "Columns",
    "Export",
    "ExportError",
    "Fault",
    "How",
    "Likeness",
    "Row",
    "SendRow",
    "open_export",
    "read_offset",
    "spooled",
]
