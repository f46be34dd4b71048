"""Texts, tables and charts as a PDF to pass on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import typst

from web.charts.candidate_charts import Spec
from web.charts.paper import svg_of

TEMPLATE = Path(__file__).parents[1] / "templates" / "paper" / "paper.typ"


class PaperPart(msgspec.Struct, frozen=True, kw_only=True):
    """A heading with a chart, a table (its first row the head, its first `left` columns texts) or lines below.

    The columns of an `is_even` table are of one width, because their names may be long.
    """

    title: str
    note: str = ""
    chart: Spec | None = None
    rows: Sequence[Sequence[str]] = ()
    left: int = 1
    is_even: bool = False
    lines: Sequence[str] = ()


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a PDF: the message first, the details in parts. Parts without content are left out.

    `logo` is a PNG at its head, empty for none.
    """

    title: str
    about: str
    verdict: str
    detail: str
    footer: str
    parts: Sequence[PaperPart]
    logo: bytes = b""


def pdf_file(paper: Paper) -> bytes:
    """Set texts on paper. It takes some seconds of CPU: call it beside the event loop."""
    with TemporaryDirectory() as folder:
        parts = [part for part in paper.parts if part.chart or len(part.rows) > 1 or part.lines]
        data = msgspec.structs.asdict(paper) | {
            "logo": bool(paper.logo),
            "parts": [
                msgspec.structs.asdict(part) | {"chart": _drawn(Path(folder), number, part.chart)}
                for number, part in enumerate(parts)
            ],
        }
        (Path(folder) / "logo.png").write_bytes(paper.logo)
        (Path(folder) / "data.json").write_bytes(msgspec.json.encode(data))
        source = Path(folder) / "paper.typ"
        source.write_bytes(TEMPLATE.read_bytes())
        made = typst.compile(str(source), root=folder, ignore_system_fonts=True)
    if not isinstance(made, bytes):
        raise TypeError("typst made several files")
    return made


def _drawn(folder: Path, number: int, spec: Spec | None) -> str | None:
    """Draw a chart into the folder and return its file's name."""
    if spec is None:
        return None
    name = f"chart{number}.svg"
    (folder / name).write_text(svg_of(spec), "utf-8")
    return name
