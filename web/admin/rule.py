"""The page of one rule: built from rows and groups, said in words, and checked while it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import available_timezones

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from markupsafe import Markup

from engine.errors import FieldProblem, Invalid
from engine.placement import RuleDocument
from engine.shelf import Shelf
from engine.store.resources import Resource
from rules import RuleError, loads
from web.admin.builder.desk import Bench, Desk
from web.admin.builder.draft import Draft, acted, moved, read_draft
from web.admin.builder.effects import KINDS
from web.admin.builder.history import History, packed, unpacked
from web.admin.builder.overlay import Given
from web.admin.builder.texts import Terms, from_text, to_text
from web.admin.builder.view import Option, field_groups, offers
from web.admin.door import AnyRequest
from web.admin.editing import Difference, Refused, no_one_else, store, to_document, version_of
from web.admin.forms import Form, Reader
from web.admin.frame import Frame, Notice
from web.admin.json_text import pretty
from web.admin.render import Page
from web.admin.rules import placement_of

NAMES = {
    "name": "Name",
    "priority": "Priority",
    "when": "Condition",
    "effects": "Effects",
    "active_from": "From",
    "active_to": "Until",
    "tags": "Tags",
    "notes": "Notes",
    "enabled": "In force",
}
HINTS = {
    "name": "Give it a name of at most 120 characters.",
    "priority": "Must be a whole number from -1,000,000 to 1,000,000.",
    "active_from": "Must be a day and a time.",
    "active_to": "Must be a day and a time.",
    "tags": "At most 20 tags of at most 40 characters.",
    "notes": "At most 2,000 characters.",
    "effects": 'Must be a list of effects, such as [{"exclude": ["klarna"]}].',
}
NOT_IN_AN_ID = re.compile(r"[^a-z0-9]+")
NEW = "new-rule"
SWAPPED = Markup(' hx-swap-oob="true"')
EVERYTHING = frozenset({"basics", "builder", "json"})


@dataclass(frozen=True)
class RulePage:
    """The form of one rule. `answers` names the parts that an answer to htmx brings besides those that always come."""

    title: str
    action: str
    base: str
    placement: str
    form: Form
    desk: Desk
    shown: str
    history: str
    can_undo: bool
    can_redo: bool
    focus: str
    field_groups: Sequence[tuple[str, Sequence[Option]]]
    known_fields: frozenset[str]
    effect_kinds: Sequence[Option]
    offers: Mapping[str, Sequence[str]]
    oob: Markup
    saved: bool = False
    theirs: Sequence[Difference] = ()
    answers: frozenset[str] = frozenset()


@dataclass
class Sitting:
    """One request about one rule: what was sent, and what is there to hold it against."""

    frame: Frame
    shelf: Shelf
    key: str
    stored: Resource | None
    given: Given = field(default_factory=dict)

    def __post_init__(self) -> None:
        merchant, live = self.frame.merchant, self.frame.engine.live.get(self.frame.merchant.id, self.key)
        id, others = self.stored.id if self.stored else NEW, live.plan.rules if live else ()
        self.bench = Bench(self.shelf, self.key, merchant, self.frame.show, id=id, others=others)
        self.sent = {name: values[-1] for name, values in self.given.items() if values}

    @property
    def texts(self) -> dict[str, str]:
        """The stored rule as its form shows it."""
        return texts_of(self.stored, self.bench.terms) if self.stored else _example(self)

    def page(self, draft: Draft, history: History, form: Form | None = None, **more: Any) -> RulePage:
        """The whole page of a draft; its other texts are those of the draft, too."""
        title = self.stored.document.name if self.stored else "New rule"
        return RulePage(
            title=title,
            action=f"/admin/rules/{self.key}/{self.stored.id}" if self.stored else "/admin/rules/new",
            base=f"/admin/rules?placement={self.key}",
            placement=self.key,
            form=form or Form({**self.sent, **draft.texts, "version": self._version()}),
            desk=self.bench.desk(draft),
            shown=draft.fingerprint,
            history=packed(history),
            can_undo=bool(history.past),
            can_redo=bool(history.future),
            focus=draft.focus,
            field_groups=field_groups(self.bench.terms),
            known_fields=frozenset(self.bench.terms.fields),
            effect_kinds=list(KINDS.items()),
            offers=offers(self.bench.terms, available_timezones()),
            oob=SWAPPED if self.frame.is_htmx else Markup(),
            **more,
        )

    def _version(self) -> str:
        return self.sent.get("version") or (str(self.stored.version) if self.stored else "")


@get("/rules/new")
async def new_rule(
    frame: NamedDependency[Frame], placement: FromQuery[str] = "payment_methods", copy_of: FromQuery[str] = ""
) -> Page:
    """A rule to start from: an example that fits the placement, or a copy of another rule."""
    frame.must_edit()
    shelf = await frame.engine.catalogue.shelf(frame.merchant.id)
    placement_of(shelf, placement)
    sitting = Sitting(frame, shelf, placement, None)
    copied = shelf.find("rule", placement, copy_of)
    draft = _draft_of(_copied(copied, sitting.bench.terms) if copied else sitting.texts)
    return frame.page("rule.html", sitting.page(draft, History(dict(draft.texts))))


@post("/rules/new", status_code=200)
async def post_new_rule(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Go on building a new rule, or store it; its id is made from its name."""
    frame.must_edit()
    given = await _given(request)
    shelf = await frame.engine.catalogue.shelf(frame.merchant.id)
    sitting = Sitting(frame, shelf, given.get("placement", [""])[-1], None, given)
    placement_of(shelf, sitting.key)
    return await _posted(sitting)


@get("/rules/{key:str}/{id:str}")
async def rule_page(frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]) -> Page:
    """The builder with a stored rule in it."""
    sitting = await _stored(frame, key, id)
    draft = _draft_of(sitting.texts)
    return frame.page("rule.html", sitting.page(draft, History(dict(draft.texts))))


@post("/rules/{key:str}/{id:str}", status_code=200)
async def post_rule(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Go on building a stored rule, or store what was built, unless someone else was faster."""
    frame.must_edit()
    return await _posted(await _stored(frame, key, id, await _given(request)))


async def _given(request: AnyRequest) -> dict[str, list[str]]:
    """All texts of a sent form by field: inputs with several values share a name."""
    found: dict[str, list[str]] = {}
    for name, value in (await request.form()).multi_items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value)
    return found


async def _stored(frame: Frame, key: str, id: str, given: Given | None = None) -> Sitting:
    stored = await frame.engine.catalogue.get(frame.merchant.id, "rule", key, id)
    return Sitting(frame, await frame.engine.catalogue.shelf(frame.merchant.id), key, stored, given or {})


async def _posted(sitting: Sitting) -> Response[Any]:
    """Follow the button that was pressed; without one, take over what was typed."""
    act = sitting.sent.get("act") or ("typed" if "shown" in sitting.sent else "save")
    draft = read_draft(sitting.given, tuple(NAMES), sitting.bench.terms)
    by = "+".join(draft.changed) if act == "typed" else ""
    history = unpacked(sitting.sent.get("history", "")).after(draft.texts, by)
    if act == "save":
        return await _save(sitting, draft, history)
    draft, history = _followed(sitting, draft, history, act)
    context = sitting.page(draft, history, answers=_answers(draft, act))
    return sitting.frame.form("rule.html", "_rule_answer.html", context)


def _followed(sitting: Sitting, draft: Draft, history: History, act: str) -> tuple[Draft, History]:
    if act in ("undo", "redo"):
        history = history.undone() if act == "undo" else history.redone()
        return Draft({**draft.texts, **history.present}, reshaped=True), history
    terms = sitting.bench.terms
    if act.startswith("move:"):
        at, _, to = act.removeprefix("move:").partition(">")
        after = moved(draft, at, to, terms)
    else:
        after = acted(draft, act, terms)
    return after, history.after(after.texts, "") if after is not draft else history


def _answers(draft: Draft, act: str) -> frozenset[str]:
    """The parts of the page that must follow; what someone is typing in is left alone."""
    if act in ("undo", "redo"):
        return EVERYTHING
    parts = {"builder"} if draft.reshaped or act != "typed" else set()
    return frozenset(parts if draft.changed == ("json",) else parts | {"json"})


async def _save(sitting: Sitting, draft: Draft, history: History) -> Response[Any]:
    frame, catalogue, key, stored = sitting.frame, sitting.frame.engine.catalogue, sitting.key, sitting.stored
    values, terms = {**sitting.sent, **draft.texts}, sitting.bench.terms

    async def write() -> Resource:
        if stored:
            document, version = document_of(values, terms, id=stored.id, old=stored.document), version_of(values)
            return await catalogue.update(
                frame.merchant.id, frame.who, "rule", key, stored.id, document, version=version
            )
        document = document_of(values, terms, id=_free_id(sitting.shelf, key, values["name"]))
        return (await catalogue.create(frame.merchant.id, frame.who, "rule", key, [document]))[0]

    async def saved_now() -> Mapping[str, str]:
        if stored is None:
            return await no_one_else()
        return texts_of(await catalogue.get(frame.merchant.id, "rule", key, stored.id), terms)

    try:
        saved = await store(values, write, saved_now, names=NAMES)
    except Refused as refusal:
        form = _explained(sitting, draft, refusal)
        page = sitting.page(draft, history, form, theirs=refusal.theirs, answers=EVERYTHING)
        return frame.form("rule.html", "_rule_answer.html", page, status=refusal.status)
    if stored is None:
        notice = Notice(f"“{saved.document.name}” is saved" + (" and in force." if saved.document.enabled else "."))
        return frame.go(f"/admin/rules?placement={key}", notice=notice)
    after = await _stored(frame, key, stored.id)
    page = after.page(_draft_of(texts_of(saved, terms)), history, saved=True)
    return frame.form("rule.html", "_rule_answer.html", page)


def _explained(sitting: Sitting, draft: Draft, refusal: Refused) -> Form:
    """What is wrong beside its field; mistakes in the condition and the effects stand beside their rows."""
    problems = {name: text for name, text in refusal.form.problems.items() if name not in ("when", "effects")}
    rest = {name: text for name, text in refusal.form.problems.items() if name in ("when", "effects")}
    count = sitting.bench.desk(draft).mistakes
    if rest and not problems.get("form"):
        several = f"{sitting.frame.show.count(count, 'mistake')} to mend before this can be saved."
        problems["form"] = several if count else next(iter(rest.values()))
    return Form(refusal.form.values, problems)


def document_of(values: Mapping[str, str], terms: Terms, *, id: str, old: RuleDocument | None = None) -> RuleDocument:
    """The rule that a form describes; raises `Invalid` with every problem of its texts."""
    reader = Reader(values)
    texts: dict[str, Any] = {
        "id": id,
        "name": reader.text("name", required="Give it a name that says what it does"),
        "priority": reader.integer("priority"),
        "enabled": reader.flag("enabled"),
        "notes": reader.text("notes"),
        "tags": tuple(dict.fromkeys(tag.strip() for tag in reader.text("tags").split(",") if tag.strip())),
        "active_from": _moment(reader.text("active_from"), old.active_from if old else None, terms),
        "active_to": _moment(reader.text("active_to"), old.active_to if old else None, terms),
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


def _moment(text: str, old: str | None, terms: Terms) -> object:
    """A time as it was typed; the very same as before where it was left alone."""
    if not text or text == _clock_text(old, terms):
        return old if text else None
    return from_text("datetime", text, terms)


def _clock_text(moment: str | None, terms: Terms) -> str:
    return to_text("datetime", moment, terms) if moment else ""


def texts_of(stored: Resource, terms: Terms) -> dict[str, str]:
    """A stored rule as its form shows it."""
    document: RuleDocument = stored.document
    return {
        "name": document.name,
        "priority": str(document.priority),
        "when": pretty(document.when),
        "effects": pretty(list(document.effects)),
        "active_from": _clock_text(document.active_from, terms),
        "active_to": _clock_text(document.active_to, terms),
        "tags": ", ".join(document.tags),
        "notes": document.notes,
        "enabled": "on" if document.enabled else "",
        "version": str(stored.version),
    }


def _draft_of(texts: Mapping[str, str]) -> Draft:
    return Draft({name: texts[name] for name in NAMES})


def _copied(stored: Resource, terms: Terms) -> dict[str, str]:
    texts = texts_of(stored, terms)
    return {**texts, "name": f"{texts['name']} (copy)"[-120:]}


def _example(sitting: Sitting) -> dict[str, str]:
    ids = list(sitting.bench.labels) or ["card"]
    return {
        "name": "",
        "priority": "0",
        "when": pretty({"<": [{"var": "cart.total"}, 5000]}),
        "effects": pretty([{"exclude": ids[-1:]}]),
        **dict.fromkeys(("active_from", "active_to", "tags", "notes"), ""),
        "enabled": "on",
    }


def _free_id(shelf: Shelf, key: str, name: str) -> str:
    base = NOT_IN_AN_ID.sub("-", name.lower()).strip("-")[:48].strip("-") or "rule"
    taken = {rule.id for rule in shelf.documents("rule", key)}
    numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
    return base if base not in taken else next(id for id in numbered if id not in taken)
