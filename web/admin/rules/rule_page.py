"""The page of one rule: build it from rows and groups, read it in words, and save it into the draft."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.configuration.draft_overlay import DraftItem
from engine.model.errors import NotFound
from engine.model.placement import RuleDocument
from web.admin.rules.builder.history import History, unpacked
from web.admin.rules.builder.overlay import FormFields
from web.admin.rules.builder.rule_form import RuleForm, apply_action
from web.admin.rules.draft_rules import create, keep, load_rules
from web.admin.rules.rule_edit import EVERY_PART, RuleEdit, RulePage
from web.admin.rules.rule_texts import NAMES, texts_of
from web.admin.shell.admission import AnyRequest, several_typed, typed
from web.admin.shell.editing import Refused, no_one_else, store, version_of
from web.admin.shell.forms import Form
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page

WHOLE, ANSWER = "rules/rule.html", "rules/_rule_answer.html"


@get("/rules/new")
async def new_rule(
    frame: NamedDependency[Frame],
    placement: FromQuery[str] = "payment_methods",
    copy_of: FromQuery[str] = "",
    template: FromQuery[str] = "",
) -> Page:
    """Show a rule to start from: an example that fits the placement, a template, or a copy of another rule."""
    frame.must_draft()
    rules = await load_rules(frame, placement)
    edit = await asyncio.to_thread(RuleEdit, frame, rules, None)
    copied = rules.find(copy_of)
    templates = edit.templates()
    chosen = next((document for document in templates if document.id == template), None)
    texts = edit.texts
    if copied:
        texts = {**texts_of(copied.shown, edit.context.terms), "name": f"{copied.shown.name} (copy)"[-120:]}
    elif chosen:
        texts = texts_of(chosen, edit.context.terms)
    starts = [] if copied or chosen else [(document.id, document.name, document.notes) for document in templates]
    return frame.page(WHOLE, await _opened(edit, texts, starts=starts))


@post("/rules/new", status_code=200)
async def post_new_rule(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Go on building a new rule, or create it."""
    frame.must_draft()
    form_fields = await several_typed(request)
    rules = await load_rules(frame, form_fields.get("placement", [""])[-1])
    return await _posted(await asyncio.to_thread(RuleEdit, frame, rules, None, form_fields))


@get("/rules/{key:str}/{id:str}")
async def rule_page(frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]) -> Page:
    """Show the builder with a stored rule in it."""
    edit = await _stored(frame, key, id)
    return frame.page(WHOLE, await _opened(edit, edit.texts))


@post("/rules/{key:str}/{id:str}", status_code=200)
async def post_rule(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Go on building a stored rule, or save it unless someone else has saved it meanwhile."""
    frame.must_draft()
    return await _posted(await _stored(frame, key, id, await several_typed(request)))


@post("/rules/{key:str}/{id:str}/before", status_code=200)
async def unsave_rule(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Undo a save: put the rule of before into the draft."""
    frame.must_draft()
    values = await typed(request)
    try:
        document = msgspec.json.decode(values.get("document", ""), type=RuleDocument)
    except msgspec.DecodeError:
        raise NotFound("There is nothing to undo here.") from None
    await keep(frame, key, msgspec.structs.replace(document, id=id), revision=version_of(values))
    return frame.go(f"{frame.base}/rules/{key}/{id}", notice=Notice("Change undone."))


async def _stored(frame: Frame, key: str, id: str, form_fields: FormFields | None = None) -> RuleEdit:
    rules = await load_rules(frame, key)
    return await asyncio.to_thread(RuleEdit, frame, rules, rules.get(id), form_fields or {})


async def _opened(edit: RuleEdit, texts: Mapping[str, str], **more: Any) -> RulePage:
    form = edit.form_of(texts)
    return await edit.shown(form, History(form.texts), **more)


async def _posted(edit: RuleEdit) -> Response[Any]:
    """Carry out the button that was pressed; without one, take over what was typed."""
    form = edit.read()
    action = edit.sent.get("act") or ("typed" if "shown" in edit.sent else "save")
    typed_into = "+".join(form.changed) if action == "typed" and form.changed != ("json",) else ""
    history = unpacked(edit.sent.get("history", "")).after(form.texts, typed_into)
    if action == "save":
        return await (_save(edit, form, history) if edit.stored else _create(edit, form, history))
    if action in ("undo", "redo"):
        history = history.undone() if action == "undo" else history.redone()
        form, replaced = edit.form_of({**form.texts, **history.present}), EVERY_PART
    else:
        form = apply_action(form, action, edit.context.terms)
        history, replaced = history.after(form.texts, typed_into), _replaced(form, action)
    return edit.frame.form(WHOLE, ANSWER, await edit.shown(form, history, replaced=replaced))


def _replaced(form: RuleForm, action: str) -> frozenset[str]:
    """Name the parts of the page to replace; never the one that someone is typing in."""
    builder = {"builder"} if form.reshaped or action != "typed" else set()
    return frozenset(builder if form.changed == ("json",) else builder | {"json"})


async def _create(edit: RuleEdit, form: RuleForm, history: History) -> Response[Any]:
    """Put a new rule into the draft and go to its page."""

    async def write() -> DraftItem:
        return await create(edit.frame, edit.key, edit.document(form))

    try:
        created = await store({**edit.sent, **form.texts}, write, no_one_else, names=NAMES)
    except Refused as refusal:
        return await _refused(edit, form, history, refusal)
    notice = Notice(f"“{created.shown.name}” is saved. It takes effect when the changes are published.")
    return edit.frame.go(f"{edit.frame.base}/rules/{edit.key}/{created.id}", notice=notice)


async def _save(edit: RuleEdit, form: RuleForm, history: History) -> Response[Any]:
    """Save a rule in the draft and show it as saved."""
    frame, key, values = edit.frame, edit.key, {**edit.sent, **form.texts}

    async def write() -> DraftItem:
        return await keep(frame, key, edit.document(form), revision=version_of(values))

    async def saved_now() -> Mapping[str, str]:
        return (await _stored(frame, key, edit.id)).texts

    try:
        await store(values, write, saved_now, names=NAMES)
    except Refused as refusal:
        return await _refused(edit, form, history, refusal)
    after = await _stored(frame, key, edit.id)
    before = msgspec.json.encode(edit.stored.shown).decode() if edit.stored else ""
    page = await after.shown(after.form_of(after.texts), history, saved=True, before=before)
    return frame.form(WHOLE, ANSWER, page)


async def _refused(edit: RuleEdit, form: RuleForm, history: History, refusal: Refused) -> Response[Any]:
    """Show what was typed again, with its problems and what others have saved meanwhile."""
    texts = _explained(edit, form, refusal)
    page = await edit.shown(form, history, texts=texts, conflicts=refusal.conflicts, replaced=EVERY_PART)
    return edit.frame.form(WHOLE, ANSWER, page, status=refusal.status)


def _explained(edit: RuleEdit, form: RuleForm, refusal: Refused) -> Form:
    """Put each problem beside its field; those of the condition and the effects stand beside their rows already."""
    problems = {name: text for name, text in refusal.form.problems.items() if name not in ("when", "effects")}
    rest = {name: text for name, text in refusal.form.problems.items() if name in ("when", "effects")}
    count = edit.context.rule_view(form).mistakes
    if rest and not problems.get("form"):
        several = f"{edit.frame.show.count(count, 'mistake')} to fix before you can save."
        problems["form"] = several if count else next(iter(rest.values()))
    return Form(refusal.form.values, problems)


handlers = [new_rule, post_new_rule, rule_page, post_rule, unsave_rule]
