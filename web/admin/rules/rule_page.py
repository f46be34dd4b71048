"""The page of one rule: built from rows and groups, said in words, and checked while it is written."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import available_timezones

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from markupsafe import Markup

from engine.configuration.draft_overlay import DraftRule
from engine.model.errors import FieldProblem, Invalid, NotFound
from engine.model.placement import RuleDocument
from rules import RuleError, loads
from web.admin.candidates.candidate_list import in_order
from web.admin.rules.builder.effects import KINDS
from web.admin.rules.builder.history import History, packed, unpacked
from web.admin.rules.builder.overlay import Given
from web.admin.rules.builder.rule_form import Draft, acted, moved, read_draft
from web.admin.rules.builder.rule_view import RuleContext, RuleView
from web.admin.rules.builder.texts import Terms, from_text, to_text
from web.admin.rules.builder.view import Option, field_groups, offers
from web.admin.rules.rule_set import RuleSet, keep, rule_set
from web.admin.rules.rule_templates import Shop, templates_for
from web.admin.shell.admission import AnyRequest, several_typed, typed
from web.admin.shell.editing import Difference, Refused, no_one_else, store, to_document, version_of
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.json_text import pretty
from web.admin.shell.render import SWAPPED, Page

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
EVERYTHING = frozenset({"basics", "builder", "json"})


@dataclass(frozen=True)
class RulePage:
    """The form of one rule. `answers` names the parts that an answer to htmx brings besides those that always come."""

    title: str
    action: str
    base: str
    changes: str
    mark: str
    placement: str
    form: Form
    rule_view: RuleView
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
    starts: Sequence[tuple[str, str, str]] = ()
    before: str = ""
    answers: frozenset[str] = frozenset()


@dataclass
class RuleEdit:
    """One request about one rule: what was sent, and what is there to hold it against."""

    frame: Frame
    rules: RuleSet
    stored: DraftRule | None
    given: Given = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key = self.rules.key
        id = self.stored.id if self.stored else NEW
        self.context = RuleContext(self.rules, self.frame.merchant, self.frame.show, id=id)
        self.sent = {name: values[-1] for name, values in self.given.items() if values}

    async def shown(self, draft: Draft, history: History, form: Form | None = None, **more: Any) -> RulePage:
        """The page, made beside the event loop: checks against a thousand rules would keep decisions waiting."""
        return await asyncio.to_thread(self.page, draft, history, form, **more)

    def templates(self) -> list[RuleDocument]:
        """Rules for common needs that fit the placement."""
        configuration, merchant = self.rules.configuration, self.frame.merchant
        shop = Shop(
            candidates=in_order(configuration.documents("candidate", self.key)),
            vocabulary=self.context.vocabulary,
            lists=self.context.lists,
            country=merchant.country,
            currency=merchant.currency,
            timezone=merchant.timezone,
        )
        return templates_for(shop, taken=[rule.id for rule in self.rules.draft.rules])

    @property
    def texts(self) -> dict[str, str]:
        """The stored rule as its form shows it."""
        if self.stored is None:
            return _example(self)
        return texts_of(self.stored.shown, self.context.terms) | {"version": str(self.stored.revision)}

    def page(self, draft: Draft, history: History, form: Form | None = None, **more: Any) -> RulePage:
        """The whole page of a draft; its other texts are those of the draft, too."""
        title = self.stored.shown.name if self.stored else "New rule"
        return RulePage(
            title=title,
            action=f"/admin/rules/{self.key}/{self.stored.id}" if self.stored else "/admin/rules/new",
            base=f"/admin/rules?placement={self.key}",
            changes=f"/admin/placements/{self.key}/changes",
            mark=self.stored.mark if self.stored else "",
            placement=self.key,
            form=form or Form({**self.sent, **draft.texts, "version": self._version()}),
            rule_view=self.context.rule_view(draft),
            shown=draft.fingerprint,
            history=packed(history),
            can_undo=bool(history.past),
            can_redo=bool(history.future),
            focus=draft.focus,
            field_groups=field_groups(self.context.terms),
            known_fields=frozenset(self.context.terms.fields),
            effect_kinds=list(KINDS.items()),
            offers=offers(self.context.terms, available_timezones()),
            oob=SWAPPED if self.frame.is_htmx else Markup(),
            **more,
        )

    def _version(self) -> str:
        return self.sent.get("version") or (str(self.stored.revision) if self.stored else "")


@get("/rules/new")
async def new_rule(
    frame: NamedDependency[Frame],
    placement: FromQuery[str] = "payment_methods",
    copy_of: FromQuery[str] = "",
    template: FromQuery[str] = "",
) -> Page:
    """A rule to start from: an example that fits the placement, a template, or a copy of another rule."""
    frame.must_draft()
    rules = await rule_set(frame, placement)
    edit = await asyncio.to_thread(RuleEdit, frame, rules, None)
    copied = rules.find(copy_of)
    templates = edit.templates()
    chosen = next((one for one in templates if one.id == template), None)
    if copied:
        texts = {**texts_of(copied.shown, edit.context.terms), "name": f"{copied.shown.name} (copy)"[-120:]}
    else:
        texts = texts_of(chosen, edit.context.terms) if chosen else edit.texts
    draft = _draft_of(texts)
    starts = [] if copied or chosen else [(one.id, one.name, one.notes) for one in templates]
    return frame.page("rules/rule.html", await edit.shown(draft, History(dict(draft.texts)), starts=starts))


@post("/rules/new", status_code=200)
async def post_new_rule(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Go on building a new rule, or store it; its id is made from its name."""
    frame.must_draft()
    given = await several_typed(request)
    rules = await rule_set(frame, given.get("placement", [""])[-1])
    return await _posted(await asyncio.to_thread(RuleEdit, frame, rules, None, given))


@post("/rules/{key:str}/{id:str}/before", status_code=200)
async def unsave_rule(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Take a save back: the draft's rule is again as it was before."""
    frame.must_draft()
    values = await typed(request)
    try:
        document = msgspec.json.decode(values.get("document", ""), type=RuleDocument)
    except msgspec.DecodeError:
        raise NotFound("There is nothing to bring back here.") from None
    await keep(frame, key, msgspec.structs.replace(document, id=id), revision=version_of(values))
    return frame.go(f"/admin/rules/{key}/{id}", notice=Notice("It is as it was before."))


@get("/rules/{key:str}/{id:str}")
async def rule_page(frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]) -> Page:
    """The builder with a stored rule in it."""
    edit = await _stored(frame, key, id)
    draft = _draft_of(edit.texts)
    return frame.page("rules/rule.html", await edit.shown(draft, History(dict(draft.texts))))


@post("/rules/{key:str}/{id:str}", status_code=200)
async def post_rule(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Go on building a stored rule, or store what was built, unless someone else was faster."""
    frame.must_draft()
    return await _posted(await _stored(frame, key, id, await several_typed(request)))


async def _stored(frame: Frame, key: str, id: str, given: Given | None = None) -> RuleEdit:
    rules = await rule_set(frame, key)
    return await asyncio.to_thread(RuleEdit, frame, rules, rules.get(id), given or {})


async def _posted(edit: RuleEdit) -> Response[Any]:
    """Follow the button that was pressed; without one, take over what was typed."""
    act = edit.sent.get("act") or ("typed" if "shown" in edit.sent else "save")
    draft = read_draft(edit.given, tuple(NAMES), edit.context.terms)
    by = "+".join(draft.changed) if act == "typed" and draft.changed != ("json",) else ""
    history = unpacked(edit.sent.get("history", "")).after(draft.texts, by)
    if act == "save":
        return await _save(edit, draft, history)
    draft, history = _followed(edit, draft, history, act)
    context = await edit.shown(draft, history, answers=_answers(draft, act))
    return edit.frame.form("rules/rule.html", "rules/_rule_answer.html", context)


def _followed(edit: RuleEdit, draft: Draft, history: History, act: str) -> tuple[Draft, History]:
    if act in ("undo", "redo"):
        history = history.undone() if act == "undo" else history.redone()
        return Draft({**draft.texts, **history.present}, reshaped=True), history
    terms = edit.context.terms
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


async def _save(edit: RuleEdit, draft: Draft, history: History) -> Response[Any]:
    frame, key, stored, terms = edit.frame, edit.key, edit.stored, edit.context.terms
    values = {**edit.sent, **draft.texts}

    async def write() -> DraftRule:
        id = stored.id if stored else _free_id(edit.rules, values["name"])
        document = document_of(values, terms, id=id, old=stored.shown if stored else None)
        return await keep(frame, key, document, revision=version_of(values) if stored else 0)

    async def saved_now() -> Mapping[str, str]:
        return (await _stored(frame, key, stored.id)).texts if stored else await no_one_else()

    try:
        saved = await store(values, write, saved_now, names=NAMES)
    except Refused as refusal:
        form = _explained(edit, draft, refusal)
        page = await edit.shown(draft, history, form, theirs=refusal.theirs, answers=EVERYTHING)
        return frame.form("rules/rule.html", "rules/_rule_answer.html", page, status=refusal.status)
    if stored is None:
        notice = Notice(f"“{saved.shown.name}” is saved. It is in force once the changes are published.")
        return frame.go(f"/admin/rules/{key}/{saved.id}", notice=notice)
    after = await _stored(frame, key, stored.id)
    page = await after.shown(_draft_of(after.texts), history, saved=True, before=_packed(stored))
    return frame.form("rules/rule.html", "rules/_rule_answer.html", page)


def _packed(stored: DraftRule) -> str:
    """A rule as the form that brings it back carries it."""
    return msgspec.json.encode(stored.shown).decode()


def _explained(edit: RuleEdit, draft: Draft, refusal: Refused) -> Form:
    """What is wrong beside its field; mistakes in the condition and the effects stand beside their rows."""
    problems = {name: text for name, text in refusal.form.problems.items() if name not in ("when", "effects")}
    rest = {name: text for name, text in refusal.form.problems.items() if name in ("when", "effects")}
    count = edit.context.rule_view(draft).mistakes
    if rest and not problems.get("form"):
        several = f"{edit.frame.show.count(count, 'mistake')} to mend before this can be saved."
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


def texts_of(document: RuleDocument, terms: Terms) -> dict[str, str]:
    """A rule as its form shows it."""
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
    }


def _draft_of(texts: Mapping[str, str]) -> Draft:
    return Draft({name: texts[name] for name in NAMES})


def _example(edit: RuleEdit) -> dict[str, str]:
    ids = list(edit.context.labels) or ["card"]
    return {
        "name": "",
        "priority": "0",
        "when": pretty({"<": [{"var": "cart.total"}, 5000]}),
        "effects": pretty([{"exclude": ids[-1:]}]),
        **dict.fromkeys(("active_from", "active_to", "tags", "notes"), ""),
        "enabled": "on",
    }


def _free_id(rules: RuleSet, name: str) -> str:
    base = NOT_IN_AN_ID.sub("-", name.lower()).strip("-")[:48].strip("-") or "rule"
    taken = {rule.id for rule in rules.draft.rules}
    numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
    return base if base not in taken else next(id for id in numbered if id not in taken)
