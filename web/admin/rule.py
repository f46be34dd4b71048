"""The editor of one rule: a condition and effects as JSON, with every mistake beside its line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.errors import FieldProblem, Invalid
from engine.placement import FieldDocument, RuleDocument
from engine.plan import lists_of, vocabulary_of
from engine.shelf import Shelf
from engine.store.resources import Resource
from rules import Problem, Rule, RuleError, loads, parse_rule
from web.admin.candidates import in_order
from web.admin.door import AnyRequest, typed
from web.admin.editing import Difference, Refused, no_one_else, store, to_document, version_of
from web.admin.forms import Form, Reader, sentence
from web.admin.frame import Frame, Notice
from web.admin.json_text import excerpt, line_of, pretty
from web.admin.render import Page
from web.admin.rules import placement_of
from web.admin.wording import in_words, labels_of

NAMES = {
    "name": "Name",
    "priority": "Priority",
    "when": "Condition",
    "effects": "Effects",
    "notes": "Notes",
    "enabled": "In force",
}
HINTS = {
    "name": "Give it a name of at most 120 characters.",
    "priority": "Must be a whole number from -1,000,000 to 1,000,000.",
    "notes": "At most 2,000 characters.",
    "effects": 'Must be a list of effects, such as [{"exclude": ["klarna"]}].',
}
NOT_IN_AN_ID = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class PlacedProblem:
    """A mistake in a JSON text, with its line."""

    field: str
    line: int
    excerpt: str
    message: str


@dataclass(frozen=True)
class RulePage:
    """The form of one rule, what its condition may read, and whom its effects may name."""

    title: str
    action: str
    base: str
    form: Form
    places: Sequence[PlacedProblem]
    sentence: str
    draft_places: Sequence[PlacedProblem]
    vocabulary: Sequence[FieldDocument]
    candidate_ids: Sequence[str]
    saved: bool
    theirs: list[Difference]


@dataclass(frozen=True)
class CheckFragment:
    """A draft in words, or what is not right in it yet."""

    sentence: str
    draft_places: Sequence[PlacedProblem]


@get("/rules/new")
async def new_rule(frame: NamedDependency[Frame], placement: FromQuery[str] = "payment_methods") -> Page:
    """A form with an example that fits the placement, ready to be changed."""
    frame.must_edit()
    shelf = await frame.engine.catalogue.shelf(frame.merchant.id)
    placement_of(shelf, placement)
    return frame.page("rule.html", _page(frame, shelf, Form(_example(shelf, placement))))


@post("/rules/new", status_code=200)
async def create_rule(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Store a new rule; its id is made from its name."""
    frame.must_edit()
    values = await typed(request)
    key = values.get("placement", "")
    shelf = await frame.engine.catalogue.shelf(frame.merchant.id)
    placement_of(shelf, key)

    async def write() -> Resource:
        document = document_of(values, id=_free_id(shelf, key, values.get("name", "")))
        created = await frame.engine.catalogue.create(frame.merchant.id, frame.who, "rule", key, [document])
        return created[0]

    try:
        created = await store(values, write, no_one_else, names=NAMES)
    except Refused as refusal:
        return _refused(frame, shelf, refusal)
    notice = Notice(f"“{created.document.name}” is saved" + (" and in force." if created.document.enabled else "."))
    return frame.go(f"/admin/rules?placement={key}", notice=notice)


@post("/rules/check", status_code=200)
async def check_draft(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Say a draft in words while it is being typed."""
    form = Form(await typed(request))
    shelf = await frame.engine.catalogue.shelf(frame.merchant.id)
    places = [_placed(form, one) for one in _draft_problems(shelf, form)]
    return frame.page("_rule_check.html", CheckFragment("" if places else _in_words(shelf, form), places))


@get("/rules/{key:str}/{id:str}")
async def rule_page(frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]) -> Page:
    """The editor of a stored rule."""
    stored = await frame.engine.catalogue.get(frame.merchant.id, "rule", key, id)
    shelf = await frame.engine.catalogue.shelf(frame.merchant.id)
    return frame.page("rule.html", _page(frame, shelf, Form(texts_of(stored)), stored=stored))


@post("/rules/{key:str}/{id:str}", status_code=200)
async def save_rule(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Store what was edited, unless someone else was faster."""
    frame.must_edit()
    values = await typed(request) | {"placement": key}
    catalogue = frame.engine.catalogue
    stored = await catalogue.get(frame.merchant.id, "rule", key, id)

    async def write() -> Resource:
        document = document_of(values, id=id)
        return await catalogue.update(
            frame.merchant.id, frame.who, "rule", key, id, document, version=version_of(values)
        )

    async def saved_now() -> Mapping[str, str]:
        return texts_of(await catalogue.get(frame.merchant.id, "rule", key, id))

    try:
        saved = await store(values, write, saved_now, names=NAMES)
    except Refused as refusal:
        return _refused(frame, await catalogue.shelf(frame.merchant.id), refusal, stored=stored)
    shelf = await catalogue.shelf(frame.merchant.id)
    page = _page(frame, shelf, Form(texts_of(saved)), stored=saved, saved=True)
    return frame.form("rule.html", "_rule_form.html", page)


def document_of(values: Mapping[str, str], *, id: str) -> RuleDocument:
    """The rule that a form describes; raises `Invalid` with every problem of its texts."""
    reader = Reader(values)
    texts: dict[str, Any] = {
        "id": id,
        "name": reader.text("name", required="Give it a name that says what it does"),
        "priority": reader.integer("priority"),
        "enabled": reader.flag("enabled"),
        "notes": reader.text("notes"),
    }
    for name in ("when", "effects"):
        try:
            texts[name] = loads(reader.text(name))
        except RuleError as error:
            reader.problems += [FieldProblem(f"/{name}{one.path}", one.message) for one in error.problems]
    reader.check()
    if not isinstance(texts["effects"], list) or not all(isinstance(one, dict) for one in texts["effects"]):
        raise Invalid(FieldProblem("/effects", HINTS["effects"]))
    return to_document(texts, RuleDocument, hints=HINTS)


def texts_of(stored: Resource) -> dict[str, str]:
    """A stored rule as its form shows it."""
    document: RuleDocument = stored.document
    return {
        "placement": stored.place,
        "name": document.name,
        "priority": str(document.priority),
        "when": pretty(document.when),
        "effects": pretty(list(document.effects)),
        "notes": document.notes,
        "enabled": "on" if document.enabled else "",
        "version": str(stored.version),
    }


def _refused(frame: Frame, shelf: Shelf, refusal: Refused, *, stored: Resource | None = None) -> Page:
    found = [one for one in refusal.problems if one.field.startswith(("/when", "/effects"))]
    places = [_placed(refusal.form, one) for one in found or _draft_problems(shelf, refusal.form)]
    counts = Counter(place.field for place in places)
    problems = dict(refusal.form.problems) | {
        field: f"{frame.show.count(count, 'mistake')}, listed below." for field, count in counts.items()
    }
    form = Form(refusal.form.values, problems)
    page = _page(frame, shelf, form, stored=stored, places=places, theirs=refusal.theirs)
    return frame.form("rule.html", "_rule_form.html", page, status=refusal.status)


def _page(
    frame: Frame,
    shelf: Shelf,
    form: Form,
    *,
    stored: Resource | None = None,
    places: Sequence[PlacedProblem] = (),
    saved: bool = False,
    theirs: list[Difference] | None = None,
) -> RulePage:
    key = form.value("placement")
    return RulePage(
        title=stored.document.name if stored else "New rule",
        action=f"/admin/rules/{key}/{stored.id}" if stored else "/admin/rules/new",
        base=f"/admin/rules?placement={key}",
        form=form,
        places=places,
        sentence="" if places else _in_words(shelf, form),
        draft_places=(),
        vocabulary=sorted(shelf.fields(), key=lambda field: field.name),
        candidate_ids=[candidate.id for candidate in in_order(shelf.documents("candidate", key))],
        saved=saved,
        theirs=theirs or [],
    )


def _parsed(shelf: Shelf, values: Mapping[str, str]) -> Rule:
    """The draft of a rule, checked all but for whom it names; raises `RuleError`."""
    parts: dict[str, Any] = {"id": "draft", "name": "draft", "priority": 0}
    problems: list[Problem] = []
    for name in ("when", "effects"):
        try:
            parts[name] = loads(values.get(name, ""))
        except RuleError as error:
            problems += [Problem(f"/{name}{one.path}", one.message) for one in error.problems]
    if problems:
        raise RuleError(problems)
    return parse_rule(parts, vocabulary_of(shelf.fields()), lists_of(shelf.documents("list")))


def _draft_problems(shelf: Shelf, form: Form) -> list[FieldProblem]:
    try:
        _parsed(shelf, form.values)
    except RuleError as error:
        return [FieldProblem(one.path, one.message) for one in error.problems]
    return []


def _in_words(shelf: Shelf, form: Form) -> str:
    try:
        rule = _parsed(shelf, form.values)
    except RuleError:
        return ""
    labels = labels_of(shelf.documents("candidate", form.value("placement")))
    return in_words(rule, vocabulary_of(shelf.fields()), labels)


def _placed(form: Form, problem: FieldProblem) -> PlacedProblem:
    field, _, rest = problem.field.strip("/").partition("/")
    text = form.value(field)
    line = line_of(text, f"/{rest}" if rest else "", problem.message)
    return PlacedProblem(field, line, excerpt(text, line), sentence(problem.message))


def _example(shelf: Shelf, key: str) -> dict[str, str]:
    ids = [candidate.id for candidate in in_order(shelf.documents("candidate", key))] or ["card"]
    return {
        "placement": key,
        "priority": "0",
        "when": pretty({"<": [{"var": "cart.total"}, 5000]}),
        "effects": pretty([{"exclude": ids[-1:]}]),
        "enabled": "on",
    }


def _free_id(shelf: Shelf, key: str, name: str) -> str:
    base = NOT_IN_AN_ID.sub("-", name.lower()).strip("-")[:48].strip("-") or "rule"
    taken = {rule.id for rule in shelf.documents("rule", key)}
    numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
    return base if base not in taken else next(id for id in numbered if id not in taken)
