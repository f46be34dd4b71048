"""An export of a customer as a ZIP file: a page to read, and every section as CSV and JSON."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec

from engine.customers.export import Section
from web.csv_text import csv_text

MOST_ROWS_ON_PAGE = 200
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;font-size:.85rem;display:block;overflow-x:auto}"
    "th,td{border:1px solid #ccc;padding:.25rem .5rem;text-align:start;vertical-align:top}"
)


def export_zip(sections: Sequence[Section], *, exported_at: str) -> bytes:
    """Return the ZIP file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("index.html", index_page(sections, exported_at=exported_at))
        for section in sections:
            document = msgspec.json.format(msgspec.json.encode(section.rows), indent=2)
            archive.writestr(f"{section.name}.json", document)
            archive.writestr(f"{section.name}.csv", csv_text(_table(section)))
    return file.getvalue()


def index_page(sections: Sequence[Section], *, exported_at: str) -> str:
    """Return a page that a person reads without a program: each section with its first rows."""
    parts = [_part(section) for section in sections]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Your data</title><style>{STYLE}</style></head><body><h1>Your data</h1>"
        f"<p>This is everything that was stored about you on {escape(exported_at)}. Each part is also here as CSV, for "
        "spreadsheets, and as JSON, for programs.</p>" + "".join(parts) + "</body></html>"
    )


def _part(section: Section) -> str:
    title = escape(section.name.replace("_", " ").capitalize())
    head = f"<h2>{title}</h2><p>{escape(section.about)}</p>"
    if not section.rows:
        return f"{head}<p>Nothing.</p>"
    columns, *rows = _table(section)
    cells = "".join(f"<th>{escape(str(name).replace('_', ' '))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_text(cell))}</td>" for cell in row) + "</tr>"
        for row in rows[:MOST_ROWS_ON_PAGE]
    )
    more = f"<p>{len(rows) - MOST_ROWS_ON_PAGE} more rows are in {section.name}.csv.</p>"
    return f"{head}<table><tr>{cells}</tr>{body}</table>{more if len(rows) > MOST_ROWS_ON_PAGE else ''}"


def _table(section: Section) -> list[list[Any]]:
    """Return the rows of a section below the names of all columns; without rows, no column."""
    names = list(dict.fromkeys(name for row in section.rows for name in row))
    return [names, *([row.get(name) for name in names] for row in section.rows)]


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)
