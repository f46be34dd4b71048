"""The merchant's lists, which rules look up values on: typed, pasted or uploaded."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.errors import FieldProblem, invalid
from engine.model.placement import ListDocument
from engine.model.resource import Resource
from rules.sent.sent_values import composed
from web.admin.settings.list_uses import RuleLink, rules_by_list
from web.admin.shell import saving
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import Difference, Refused, no_one_else, store, to_document, version_of
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page

MOST_TYPED = 2_000
"""A longer list is not shown for editing: its values are kept, added to or replaced as a whole."""
NAMES = {"name": "Name", "values": "Values", "file": "File"}
HINTS = {
    "name": "Use letters, digits, - and _, at most 64 of them.",
    "values": "At most 100,000 values of at most 200 characters.",
}
FORM = "settings/_list_form.html"
WHOLE = "settings/list.html"


@dataclass(frozen=True)
class ListRow:
    """A list with its first values and the rules that look at it; `mark` says what the draft does to it."""

    name: str
    count: int
    beginning: str
    rules: Sequence[RuleLink]
    mark: str


@dataclass(frozen=True)
class ListsPage:
    """The lists by name."""

    lists: Sequence[ListRow]


@dataclass(frozen=True)
class ListPage:
    """The form of one list; `hidden_count` is how many values it has that are too many to be shown."""

    title: str
    action: str
    base: str
    form: Form
    hidden_count: int
    rules: Sequence[RuleLink]
    saved: bool
    conflicts: Sequence[Difference]


@get("/lists")
async def lists_page(frame: NamedDependency[Frame]) -> Page:
    """Show the lists, with a draft's where changes go into a draft."""
    return frame.page("settings/lists.html", ListsPage(await _rows(frame)))


@get("/lists/-/new")
async def new_list(frame: NamedDependency[Frame]) -> Page:
    """Show an empty form."""
    frame.must_change()
    return frame.page(WHOLE, _new(frame, Form()))


@post("/lists/-/new", status_code=200)
async def create_list(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Make a list."""
    frame.must_change()
    values = await typed(request)

    async def write() -> Resource:
        return await saving.create(frame, "", document_of(values, await _uploaded(request), ()))

    try:
        created = await store(values, write, no_one_else, names=NAMES)
    except Refused as refusal:
        return frame.form(WHOLE, FORM, _new(frame, refusal.form), status=refusal.status)
    text = saving.ADDED if saving.into_draft(frame) else f"{created.id} is ready. Rules can use it now."
    return frame.go(f"{frame.base}/lists", notice=Notice(text))


@get("/lists/{name:str}")
async def list_page(frame: NamedDependency[Frame], name: FromPath[str]) -> Page:
    """Show the form of a list."""
    stored = await saving.read(frame, "list", "", name)
    return frame.page(WHOLE, await _stored(frame, stored, Form(texts_of(stored))))


@post("/lists/{name:str}", status_code=200)
async def save_list(request: AnyRequest, frame: NamedDependency[Frame], name: FromPath[str]) -> Response[Any]:
    """Store what was edited, unless someone else was faster."""
    frame.must_change()
    values = await typed(request) | {"name": name}
    before = await saving.read(frame, "list", "", name)

    async def write() -> Resource:
        document = document_of(values, await _uploaded(request), before.document.values)
        return await saving.update(frame, "", document, version=version_of(values))

    async def saved_now() -> Mapping[str, str]:
        return texts_of(await saving.read(frame, "list", "", name))

    try:
        saved = await store(values, write, saved_now, names=NAMES)
    except Refused as refusal:
        page = await _stored(frame, before, refusal.form, conflicts=refusal.conflicts)
        return frame.form(WHOLE, FORM, page, status=refusal.status)
    return frame.form(WHOLE, FORM, await _stored(frame, saved, Form(texts_of(saved)), saved=True))


@post("/lists/{name:str}/delete", status_code=200)
async def delete_list(request: AnyRequest, frame: NamedDependency[Frame], name: FromPath[str]) -> Response[Any]:
    """Delete a list that no rule looks at; the notice offers to take it back."""
    frame.must_change()
    values = await typed(request)
    stored = await saving.read(frame, "list", "", name)
    page = await _stored(frame, stored, Form(texts_of(stored)))
    if page.rules:
        rules = ", ".join(f"“{rule}”" for rule, _ in page.rules[:3])
        problem = FieldProblem("form", f"this list is still in use by {rules}. Change these rules first")
        refused = await _stored(frame, stored, page.form.with_problems([problem]))
        return frame.page(WHOLE, refused, status=422)
    notice = await saving.delete(frame, "list", "", name, version=version_of(values))
    return frame.go(f"{frame.base}/lists", notice=notice)


def document_of(values: Mapping[str, str], uploaded: Sequence[str], before: Sequence[str]) -> ListDocument:
    """Return the list that a form describes: what is kept, typed and uploaded, each value once."""
    reader = Reader(values)
    name = reader.text("name", required="Give it a name, such as blocked-regions")
    existing = before if reader.flag("keep") else ()
    composed_values = (composed(value) for value in (*existing, *reader.lines("values"), *uploaded))
    texts = {"name": name, "values": list(dict.fromkeys(composed_values))}
    reader.check()
    return to_document(texts, ListDocument, hints=HINTS)


def texts_of(stored: Resource) -> dict[str, str]:
    """Return a list as its form shows it."""
    values: Sequence[str] = stored.document.values
    is_long = len(values) > MOST_TYPED
    return {
        "name": stored.document.name,
        "values": "" if is_long else "\n".join(values),
        "keep": "on" if is_long else "",
        "version": str(stored.version),
    }


async def _uploaded(request: AnyRequest) -> Sequence[str]:
    """Read one value a line from an uploaded file; raise `Invalid` where it is not text."""
    file = (await request.form()).get("file")
    if not isinstance(file, UploadFile):
        return ()
    try:
        text = (await file.read()).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise invalid("file", "The file must be text in UTF-8, one value a line") from None
    if "\0" in text:
        raise invalid("file", "The file must be text, and has a NUL character")
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [_cell(number, line) for number, line in lines if line]


def _cell(number: int, line: str) -> str:
    """Return the value of a line, also where a spreadsheet put it into quotes; raise `Invalid` for several."""
    if not line.startswith('"'):
        return line
    cells = next(csv.reader([line], delimiter=";" if '";' in line else ","))
    if len([cell for cell in cells if cell.strip()]) > 1:
        raise invalid("file", f"Line {number} has several values: save one column")
    return cells[0].strip()


async def _rows(frame: Frame) -> list[ListRow]:
    """Return the lists as they are published or, where changes go into a draft, as the draft has them."""
    configuration, readers = await frame.engine.catalogue.configuration(frame.merchant.id), await rules_by_list(frame)
    shown = {document.name: (document, "") for document in configuration.documents("list")}
    if saving.into_draft(frame) and configuration.placements:
        key = await saving.placement_for(frame, "list", "")
        draft = await frame.engine.drafts.get(frame.merchant.id, key)
        shown |= {id: (item.shown, item.mark) for id, item in draft.of_kind("list").items()}
    return [
        ListRow(name, len(document.values), ", ".join(document.values[:3]), readers.get(name, ()), mark)
        for name, (document, mark) in sorted(shown.items())
    ]


def _new(frame: Frame, form: Form) -> ListPage:
    return ListPage("New list", f"{frame.base}/lists/-/new", f"{frame.base}/lists", form, 0, (), False, ())


async def _stored(
    frame: Frame, stored: Resource, form: Form, *, saved: bool = False, conflicts: Sequence[Difference] = ()
) -> ListPage:
    count = len(stored.document.values)
    readers = (await rules_by_list(frame)).get(stored.id, ())
    address = f"{frame.base}/lists"
    hidden_count = count if count > MOST_TYPED else 0
    return ListPage(stored.id, f"{address}/{stored.id}", address, form, hidden_count, readers, saved, conflicts)


handlers = [lists_page, new_list, create_list, list_page, save_list, delete_list]
