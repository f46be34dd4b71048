"""The vocabulary: the facts that rules may read, as the merchant declares them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.configuration.configuration import Configuration
from engine.decisions.usage import DAYS, FieldUses
from engine.kernel.plan import lists_of
from engine.model.errors import FieldProblem, Invalid
from engine.model.placement import FieldDocument, RuleDocument
from engine.model.resource import Resource
from engine.model.standard_vocabulary import ENGINE_FIELDS
from rules import RuleError, Vocabulary, parse_condition
from rules.language.tree import fields_of
from rules.wording.describe import value_in_words
from web.admin.shell import saving
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import Difference, Refused, no_one_else, store, to_document, version_of
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page

TYPES: Sequence[tuple[str, str]] = (
    ("string", "Text"),
    ("boolean", "Yes or no"),
    ("integer", "Whole number"),
    ("number", "Number"),
    ("money", "Money, in minor units"),
    ("country", "Country"),
    ("currency", "Currency"),
    ("date", "Day"),
    ("datetime", "Moment"),
    ("list", "List of texts"),
    ("location", "Position"),
    ("version", "Version number"),
)
TYPE_NAMES = dict(TYPES)
NAMES = {
    "label": "Label",
    "type": "Type",
    "unit": "Unit",
    "allowed": "Allowed values",
    "purpose": "Purpose",
    "examples": "Example",
}
HINTS = {
    "name": "Use two to four parts of small letters, digits and _, such as cart.total.",
    "label": "At most 120 characters.",
    "unit": "At most 32 characters.",
    "purpose": "Name a purpose of at most 64 characters, such as checkout.",
    "allowed": "At most 500 values of at most 120 characters.",
}


@dataclass(frozen=True)
class FieldRow:
    """A fact in the list; `faulty` is the share of decisions whose value was not understood, `faulty_at` the last."""

    name: str
    label: str
    type: str
    unit: str
    allowed: str
    purpose: str
    example: str
    is_engine: bool
    sent: float | None
    never: bool
    faulty: float
    faulty_at: int | None
    readers: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class FieldsPage:
    """The merchant's own facts, then those that the engine fills."""

    fields: Sequence[FieldRow]
    answers: int
    days: int


@dataclass(frozen=True)
class FieldPage:
    """The form of one fact."""

    title: str
    action: str
    base: str
    form: Form
    saved: bool
    conflicts: list[Difference]
    types: Sequence[tuple[str, str]] = TYPES


@get("/fields")
async def fields_page(frame: NamedDependency[Frame]) -> Page:
    """Show the declared fields by name."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    uses, readers = await frame.engine.uses.fields(frame.merchant.id), readers_of(frame, configuration)
    own = sorted(configuration.documents("field"), key=lambda document: document.name)
    rows = [
        _row(frame, document, uses, readers, is_engine=document in ENGINE_FIELDS) for document in (*own, *ENGINE_FIELDS)
    ]
    return frame.page("settings/fields.html", FieldsPage(rows, uses.answers, DAYS))


@get("/fields/new")
async def new_field(frame: NamedDependency[Frame]) -> Page:
    """Show an empty form."""
    frame.must_change()
    return frame.page("settings/field.html", _new(frame, Form({"type": "string", "purpose": "checkout"})))


@post("/fields/new", status_code=200)
async def create_field(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Declare a new fact."""
    frame.must_change()
    values = await typed(request)

    async def write() -> Resource:
        return await saving.create(frame, "", document_of(values))

    try:
        created = await store(values, write, no_one_else, names=NAMES)
    except Refused as refusal:
        return frame.form(
            "settings/field.html", "settings/_field_form.html", _new(frame, refusal.form), status=refusal.status
        )
    return frame.go(
        f"{frame.base}/fields",
        notice=Notice(
            saving.ADDED if saving.into_draft(frame) else f"{created.id} is declared. Rules can read it now."
        ),
    )


@get("/fields/{name:str}")
async def field_page(frame: NamedDependency[Frame], name: FromPath[str]) -> Page:
    """Show the form of a declared fact."""
    stored = await saving.read(frame, "field", "", name)
    return frame.page("settings/field.html", _stored(frame, name, Form(texts_of(stored))))


@post("/fields/{name:str}", status_code=200)
async def save_field(request: AnyRequest, frame: NamedDependency[Frame], name: FromPath[str]) -> Response[Any]:
    """Store what was edited, unless someone else was faster."""
    frame.must_change()
    values = await typed(request) | {"name": name}

    async def write() -> Resource:
        return await saving.update(frame, "", document_of(values), version=version_of(values))

    async def saved_now() -> Mapping[str, str]:
        return texts_of(await saving.read(frame, "field", "", name))

    try:
        saved = await store(values, write, saved_now, names=NAMES)
    except Refused as refusal:
        page = _stored(frame, name, refusal.form, conflicts=refusal.conflicts)
        return frame.form("settings/field.html", "settings/_field_form.html", page, status=refusal.status)
    return frame.form(
        "settings/field.html", "settings/_field_form.html", _stored(frame, name, Form(texts_of(saved)), saved=True)
    )


@post("/fields/{name:str}/delete", status_code=200)
async def delete_field(request: AnyRequest, frame: NamedDependency[Frame], name: FromPath[str]) -> Response[Any]:
    """Delete a fact that no rule reads any more; the notice offers to take it back."""
    frame.must_change()
    values = await typed(request)
    try:
        notice = await saving.delete(frame, "field", "", name, version=version_of(values))
    except Invalid as error:
        stored = await saving.read(frame, "field", "", name)
        problem = FieldProblem("form", f"{name} is still in use: {error.detail}")
        page = _stored(frame, name, Form(texts_of(stored)).with_problems([problem]))
        return frame.page("settings/field.html", page, status=422)
    return frame.go(f"{frame.base}/fields", notice=notice)


def document_of(values: Mapping[str, str]) -> FieldDocument:
    """Return the fact that a form describes; raises `Invalid` with every problem of its texts."""
    reader = Reader(values)
    texts: dict[str, Any] = {
        "name": reader.text("name", required="Give it a name, such as cart.total"),
        "type": reader.text("type"),
        "label": reader.text("label"),
        "unit": reader.text("unit"),
        "allowed": reader.lines("allowed"),
        "purpose": reader.text("purpose") or "checkout",
        "examples": _examples(reader),
    }
    reader.check()
    return to_document(texts, FieldDocument, hints=HINTS)


def texts_of(stored: Resource) -> dict[str, str]:
    """Return a declared fact as its form shows it."""
    field: FieldDocument = stored.document
    return {
        "name": field.name,
        "type": field.type,
        "label": field.label,
        "unit": field.unit,
        "allowed": "\n".join(field.allowed),
        "purpose": field.purpose,
        "examples": "\n".join(json.dumps(example, ensure_ascii=False) for example in field.examples),
        "version": str(stored.version),
    }


def _examples(reader: Reader) -> list[Any]:
    examples = []
    for line in reader.lines("examples"):
        try:
            examples.append(json.loads(line))
        except ValueError:
            reader.problems.append(FieldProblem("examples", f'write {line} as JSON: text in quotes, such as "DE"'))
    return examples


def readers_of(frame: Frame, configuration: Configuration) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Return the published rules in force that look at each field, as (name, address)."""
    vocabulary, lists = configuration.vocabulary(), lists_of(configuration.documents("list"))
    readers: dict[str, list[tuple[str, str]]] = {}
    for placement in configuration.placements:
        for document in configuration.documents("rule", placement.key):
            for name in _fields_read(document, vocabulary, lists):
                readers.setdefault(name, []).append(
                    (document.name, f"{frame.base}/rules/{placement.key}/{document.id}")
                )
    return readers


def _fields_read(
    document: RuleDocument, vocabulary: Vocabulary, lists: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    try:
        return fields_of(parse_condition(document.when, vocabulary, lists)) if document.enabled else ()
    except RuleError:
        return ()


def _row(
    frame: Frame,
    field: FieldDocument,
    uses: FieldUses,
    readers: Mapping[str, Sequence[tuple[str, str]]],
    *,
    is_engine: bool,
) -> FieldRow:
    unit = field.unit or (frame.merchant.currency if field.type == "money" else "")
    some = ", ".join(field.allowed[:4])
    return FieldRow(
        name=field.name,
        label=field.label,
        type="Money" if field.type == "money" else TYPE_NAMES[field.type],
        unit=unit,
        allowed=f"{some}, …" if len(field.allowed) > 4 else some,
        purpose="Filled by the engine" if is_engine else field.purpose,
        example=_example(frame, field, unit) if field.examples else "",
        is_engine=is_engine,
        sent=uses.share(field.name),
        never=uses.never(field.name),
        faulty=uses.faulty_share(field.name),
        faulty_at=faults.last_at if (faults := uses.faults.get(field.name)) else None,
        readers=readers.get(field.name, ()),
    )


def _example(frame: Frame, field: FieldDocument, unit: str) -> str:
    first = field.examples[0]
    if isinstance(first, list):
        return ", ".join(str(value) for value in first)
    return value_in_words(first, field.type, unit, frame.wording)


def _new(frame: Frame, form: Form) -> FieldPage:
    return FieldPage("New field", f"{frame.base}/fields/new", f"{frame.base}/fields", form, False, [])


def _stored(
    frame: Frame, name: str, form: Form, *, saved: bool = False, conflicts: list[Difference] | None = None
) -> FieldPage:
    return FieldPage(name, f"{frame.base}/fields/{name}", f"{frame.base}/fields", form, saved, conflicts or [])


handlers = [fields_page, new_field, create_field, field_page, save_field, delete_field]
