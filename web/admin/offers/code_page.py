"""The codes of one offer: how many are left, and more of them from a file, typed in or generated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.errors import FieldProblem, Invalid
from engine.model.offers.code import CodeCounts
from engine.offers.codes import MOST_AT_ONCE, AddedCodes
from web.admin.offers.offer_texts import PLACEMENT, offer_of
from web.admin.shell import saving
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.csv_file import exported_csv
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page

WHOLE = "offers/codes.html"
MOST_LISTED = 100_000


@dataclass(frozen=True)
class OfferCodesPage:
    """The codes of an offer in numbers; `kind` is how customers get theirs. `form` adds more."""

    title: str
    base: str
    address: str
    kind: str
    counts: CodeCounts
    form: Form
    most: int = MOST_AT_ONCE


@get("/offers/{id:str}/codes")
async def codes_page(frame: NamedDependency[Frame], id: FromPath[str]) -> Page:
    """Show how many codes an offer has left."""
    return frame.page(WHOLE, await _page(frame, id, Form()))


@post("/offers/{id:str}/codes", status_code=200)
async def add_codes(request: AnyRequest, frame: NamedDependency[Frame], id: FromPath[str]) -> Response[Any]:
    """Add the codes of a file or a text, or generate some."""
    frame.must_change()
    values = await typed(request)
    try:
        added = await _added(frame, id, values, await _file_of(request))
    except Invalid as refusal:
        form = Form(values).with_problems(_of_code(problem) for problem in refusal.problems)
        return frame.page(WHOLE, await _page(frame, id, form), status=422)
    text = f"{frame.show.count(added.added, 'code')} added."
    if added.repeated:
        text += f" {frame.show.number(added.repeated)} were there already."
    return frame.go(f"{frame.base}/offers/{id}/codes", notice=Notice(text))


@post("/offers/{id:str}/codes/remove", status_code=200)
async def remove_codes(frame: NamedDependency[Frame], id: FromPath[str]) -> Response[Any]:
    """Remove the codes that nobody has."""
    frame.must_change()
    removed = await frame.engine.codes.remove_free(frame.actor, PLACEMENT, id)
    text = f"{frame.show.count(removed, 'free code')} removed."
    return frame.go(f"{frame.base}/offers/{id}/codes", notice=Notice(text))


@get("/offers/{id:str}/codes.csv")
async def codes_file(frame: NamedDependency[Frame], id: FromPath[str]) -> Response[Any]:
    """Send all codes of an offer with their states, to those who may change it."""
    frame.must_change()
    rows = await frame.engine.codes.page(frame.merchant.id, PLACEMENT, id, state=None, limit=MOST_LISTED)
    return await exported_csv(frame, f"codes-{id}.csv", [("code", "state"), *((row.code, row.state) for row in rows)])


async def _page(frame: Frame, id: str, form: Form) -> OfferCodesPage:
    # The pool of an offer that is only in a draft is filled once it is published.
    stored = await saving.read(frame, "candidate", PLACEMENT, id)
    return OfferCodesPage(
        title=f"Codes of {stored.document.label}",
        base=f"{frame.base}/offers/{id}",
        address=f"{frame.base}/offers/{id}/codes",
        kind=offer_of(stored.document).codes,
        counts=await frame.engine.codes.counts(frame.merchant.id, PLACEMENT, id),
        form=form,
    )


async def _added(frame: Frame, id: str, values: Mapping[str, str], file: str) -> AddedCodes:
    reader = Reader(values)
    if values.get("act") == "generate":
        count = reader.integer("generate")
        reader.check()
        return await frame.engine.codes.generate(frame.actor, PLACEMENT, id, count, reader.text("prefix"))
    texts = [*codes_in(reader.text("codes")), *codes_in(file)]
    return await frame.engine.codes.add(frame.actor, PLACEMENT, id, texts)


def codes_in(text: str) -> list[str]:
    """Return the codes of a text or CSV file: the first column, without a heading that says code."""
    lines = [line.replace(";", ",").partition(",")[0].strip().strip('"') for line in text.splitlines()]
    cells = [line for line in lines if line]
    return cells[1:] if cells and cells[0].lower() in ("code", "codes") else cells


def _of_code(problem: FieldProblem) -> FieldProblem:
    """Return a problem beside its field, that of a code with the number of the code."""
    field, _, number = problem.field.partition("/")
    return FieldProblem(field, f"code {int(number) + 1} {problem.message}") if number.isdigit() else problem


async def _file_of(request: AnyRequest) -> str:
    sent = (await request.form()).get("file")
    return (await sent.read()).decode("utf-8-sig", "replace") if isinstance(sent, UploadFile) else ""


handlers = [codes_page, add_codes, remove_codes, codes_file]
