"""Figures as CSV that spreadsheets open safely."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

Rows = Sequence[Sequence[object]]
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_text(rows: Rows) -> str:
    """Return `rows` as CSV; the first row names the columns.

    Texts that a spreadsheet would run as a formula get a leading apostrophe (OWASP, "CSV injection"). Numbers stay
    numbers.
    """
    text = io.StringIO()
    csv.writer(text).writerows([[_neutral(cell) for cell in row] for row in rows])
    return text.getvalue()


def _neutral(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
