"""The results of an experiment as files, the same from a page and from the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from engine.experiments.results import Results
from engine.model.resource import Resource
from web.csv_text import csv_text
from web.experiments.experiment_words import summary
from web.experiments.funnel_view import funnel_lines, funnel_note
from web.experiments.results_csv import csv_rows
from web.experiments.results_pdf import funnel_part, pdf_of
from web.experiments.results_view import look_of, view_of
from web.reader import FigureReader

FileKind = Literal["csv", "json", "pdf"]
FILE_KINDS: tuple[FileKind, ...] = get_args(FileKind)
MEDIA: Mapping[FileKind, str] = {"csv": "text/csv", "json": "application/json", "pdf": "application/pdf"}


async def results_file(
    reader: FigureReader, resource: Resource, results: Results, kind: FileKind, *, is_stored: bool = False
) -> bytes:
    """Return one look as a file; a PDF takes some seconds of CPU, beside the event loop."""
    if kind == "json":
        return msgspec.json.encode(results)
    if kind == "csv":
        return csv_text(csv_rows(resource.document, results)).encode()
    configuration = await reader.engine.catalogue.configuration(reader.merchant.id)
    look = look_of(reader, configuration, resource, results)
    words = summary(resource.document, results, reader.show, is_stored=is_stored)
    details = reader.engine.experiment_details
    funnel = await details.funnel(reader.merchant.id, resource, now=results.as_of, phase=results.phase)
    part = funnel_part(
        funnel_lines(look.document, funnel, reader.show), funnel_note(look.document, funnel, reader.show)
    )
    logo = await reader.engine.logos.of_reports(reader.merchant.id)
    return await asyncio.to_thread(lambda: pdf_of(look, view_of(look), words, part, logo))
