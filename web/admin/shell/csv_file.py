"""The figures behind a chart, as a file for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from litestar import Response

Rows = Sequence[Sequence[object]]


def csv_file(name: str, rows: Rows) -> Response[str]:
    """A file to download; its first row names the columns."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return Response(
        text.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
