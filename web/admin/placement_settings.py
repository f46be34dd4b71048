"""How a placement chooses and learns: the page of a new or stored one, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.errors import FieldProblem
from engine.placement import Placement
from engine.store.resources import Resource
from web.admin.door import AnyRequest, typed
from web.admin.editing import Difference, Refused, no_one_else, store, version_of
from web.admin.forms import Form, amount_text
from web.admin.frame import Frame, Notice
from web.admin.placement_form import (
    CREDITS,
    DEFAULTS,
    GOALS,
    NAMES,
    POLICIES,
    REWARDS,
    SHAPES,
    Options,
    document_of,
    texts_of,
)
from web.admin.render import Page


@dataclass(frozen=True)
class SettingsPage:
    """The form; `placement` is None while it is new."""

    title: str
    action: str
    base: str
    placement: Placement | None
    form: Form
    deletion: Form
    currency: str
    saved: bool
    theirs: list[Difference]
    shapes: Options = SHAPES
    policies: Options = POLICIES
    rewards: Options = REWARDS
    goals: Options = GOALS
    credits: Options = CREDITS


@get("/placements/new")
async def new_placement(frame: NamedDependency[Frame], key: FromQuery[str] = "") -> Page:
    """A form with the usual choices made."""
    frame.must_edit()
    name = "Payment methods" if key == "payment_methods" else ""
    typical = amount_text(5000, frame.merchant.currency)
    return frame.page(
        "placement_settings.html", _new(frame, Form({**DEFAULTS, "key": key, "name": name, "typical_amount": typical}))
    )


@post("/placements/new", status_code=200)
async def create_placement(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Store a new placement, and go on to its candidates."""
    frame.must_edit()
    values = await typed(request)

    async def write() -> Resource:
        document = document_of(values, frame.merchant.currency)
        return (await frame.engine.catalogue.create(frame.merchant.id, frame.who, "placement", "", [document]))[0]

    try:
        created = await store(values, write, no_one_else, names=NAMES)
    except Refused as refusal:
        page = _new(frame, refusal.form)
        return frame.form("placement_settings.html", "_placement_form.html", page, status=refusal.status)
    notice = Notice(f"{created.document.name} is set up. Add what may be chosen there.")
    return frame.go(f"/admin/placements/{created.id}", notice=notice)


@get("/placements/{key:str}/settings")
async def settings_page(frame: NamedDependency[Frame], key: FromPath[str]) -> Page:
    """The form of a stored placement."""
    stored = await frame.engine.catalogue.get(frame.merchant.id, "placement", "", key)
    form = Form(texts_of(stored, frame.merchant.currency))
    return frame.page("placement_settings.html", await _stored(frame, stored, form))


@post("/placements/{key:str}/settings", status_code=200)
async def save_settings(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Store what was edited, unless someone else was faster."""
    frame.must_edit()
    values = await typed(request) | {"key": key}
    catalogue, currency = frame.engine.catalogue, frame.merchant.currency
    stored = await catalogue.get(frame.merchant.id, "placement", "", key)

    async def write() -> Resource:
        document = document_of(values, currency)
        return await catalogue.update(
            frame.merchant.id, frame.who, "placement", "", key, document, version=version_of(values)
        )

    async def saved_now() -> Mapping[str, str]:
        return texts_of(await catalogue.get(frame.merchant.id, "placement", "", key), currency)

    try:
        saved = await store(values, write, saved_now, names=NAMES)
    except Refused as refusal:
        page = await _stored(frame, stored, refusal.form, theirs=refusal.theirs)
        return frame.form("placement_settings.html", "_placement_form.html", page, status=refusal.status)
    page = await _stored(frame, saved, Form(texts_of(saved, currency)), saved=True)
    return frame.form("placement_settings.html", "_placement_form.html", page)


@post("/placements/{key:str}/delete", status_code=200)
async def delete_placement(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Delete a placement with all that is in it, once its key was typed."""
    frame.must_edit()
    values = await typed(request)
    stored = await frame.engine.catalogue.get(frame.merchant.id, "placement", "", key)
    if values.get("confirm", "").strip() != key:
        deletion = Form(values).with_problems([FieldProblem("confirm", f"type {key}, then delete")])
        page = await _stored(frame, stored, Form(texts_of(stored, frame.merchant.currency)), deletion=deletion)
        return frame.page("placement_settings.html", page, status=422)
    await frame.engine.catalogue.delete(frame.merchant.id, frame.who, "placement", "", key, version=version_of(values))
    return frame.go("/admin/placements", notice=Notice(f"{stored.document.name} is deleted."))


def _new(frame: Frame, form: Form) -> SettingsPage:
    return SettingsPage(
        title="New placement",
        action="/admin/placements/new",
        base="/admin/placements",
        placement=None,
        form=form,
        deletion=Form(),
        currency=frame.merchant.currency,
        saved=False,
        theirs=[],
    )


async def _stored(
    frame: Frame,
    stored: Resource,
    form: Form,
    *,
    deletion: Form | None = None,
    saved: bool = False,
    theirs: list[Difference] | None = None,
) -> SettingsPage:
    base = f"/admin/placements/{stored.id}"
    return SettingsPage(
        title=f"{stored.document.name}: settings",
        action=f"{base}/settings",
        base=base,
        placement=stored.document,
        form=form,
        deletion=deletion or Form(),
        currency=frame.merchant.currency,
        saved=saved,
        theirs=theirs or [],
    )
