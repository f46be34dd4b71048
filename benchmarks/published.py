"""Measured tables inside the documentation, between markers, so that prose around them stays."""

from __future__ import annotations

from pathlib import Path


def put(page: Path, name: str, table: str) -> None:
    """Replace the text between `<!-- name -->` and `<!-- /name -->`. Raises ValueError if a marker is missing."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    text = page.read_text()
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{page.name} must have the lines {begin} and {end}, once each")
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    page.write_text(f"{before}{begin}\n{table}\n{end}{after}")
