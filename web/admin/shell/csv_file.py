"""Figures as a CSV file to download."""

from __future__ import annotations

from litestar import Response

from web.admin.shell.frame import Frame
from web.csv_text import Rows, csv_text


async def exported_csv(frame: Frame, name: str, rows: Rows) -> Response[str]:
    """Return `rows` as a CSV file called `name`, as one of the merchant's exports; raise `LimitReached`."""
    async with frame.engine.tiers.export(frame.merchant):
        return csv_file(name, rows)


def csv_file(name: str, rows: Rows) -> Response[str]:
    """Return `rows` as a CSV file called `name`. Caches must not store the file: it holds a merchant's figures."""
    return Response(
        csv_text(rows),
        # Litestar adds the charset to text types.
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
