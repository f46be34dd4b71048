"""How a placement chooses and learns: the page of a new or stored one, and its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.model.errors import FieldProblem
from engine.model.placement import Placement
from engine.model.resource import Resource
from web.admin.placements.placement_form import (
    CREDITS,
    DEFAULTS,
    GOALS,
    POLICIES,
    REWARDS,
    SHAPES,
    WEIGHT,
    document_of,
    form_fields_of,
    joined,
    names_of,
    texts_of,
)
from web.admin.placements.placement_options import Fact, Options, facts_of, groups_of, terms_of
from web.admin.rules.builder.texts import Terms
from web.admin.shell import saving
from web.admin.shell.admission import AnyRequest, several_typed, typed
from web.admin.shell.editing import Difference, Refused, no_one_else, store, version_of
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page
from web.typed_money import amounts_text

FINE: Mapping[str, Sequence[str]] = {
    "choosing": ("floor", "drawn"),
    "learning": ("goal", "credit", "examination", "half_life_days"),
}
"""The fields that most merchants never touch."""


@dataclass(frozen=True)
class SettingsPage:
    """The form; `placement` is None while it is new. `tuned` names the parts whose fine-tuning stands open."""

    title: str
    action: str
    base: str
    placement: Placement | None
    form: Form
    deletion: Form
    currency: str
    saved: bool
    conflicts: list[Difference]
    facts: Sequence[Fact]
    learned_facts: frozenset[str]
    groups: Options
    chosen_groups: Sequence[str]
    shares: Options
    tuned: frozenset[str]
    shapes: Options = SHAPES
    policies: Sequence[tuple[str, str, str]] = POLICIES
    rewards: Options = REWARDS
    goals: Options = GOALS
    credits: Options = CREDITS


STARTS = {
    "payment_methods": {"name": "Payment methods"},
    "offers": {"name": "Offers", "shape": "subset"},
}
"""What the form of a new placement begins with, by key, where a page leads to it."""


@get("/placements/-/new")
async def new_placement(frame: NamedDependency[Frame], key: FromQuery[str] = "") -> Page:
    """Show the form of a new placement with its defaults."""
    frame.must_edit()
    typical = amounts_text(5000, frame.merchant.currency, frame.show.locale)
    form = Form({**DEFAULTS, **STARTS.get(key, {}), "key": key, "typical_amount": typical})
    return frame.page("placements/placement_settings.html", _page(frame, await _terms(frame, ""), form))


@post("/placements/-/new", status_code=200)
async def create_placement(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Store a new placement, and go on to its candidates."""
    frame.must_edit()
    values, terms = joined(await several_typed(request)), await _terms(frame, "")

    async def write() -> Resource:
        document = document_of(values, terms)
        return (await frame.engine.catalogue.create(frame.actor, "placement", "", [document]))[0]

    try:
        created = await store(values, write, no_one_else, names=names_of(terms), form_fields=form_fields_of(terms))
    except Refused as refusal:
        page = _page(frame, terms, refusal.form)
        return frame.form(
            "placements/placement_settings.html", "placements/_placement_form.html", page, status=refusal.status
        )
    if created.id == "offers":
        return frame.go(f"{frame.base}/offers", notice=Notice(f"{created.document.name} is set up. Add a budget next."))
    notice = Notice(f"{created.document.name} is set up. Add its candidates.")
    return frame.go(f"{frame.base}/placements/{created.id}", notice=notice)


@get("/placements/{key:str}/settings")
async def settings_page(frame: NamedDependency[Frame], key: FromPath[str]) -> Page:
    """Show the form of a stored placement."""
    stored = await saving.read(frame, "placement", key, key)
    terms = await _terms(frame, key)
    return frame.page("placements/placement_settings.html", _page(frame, terms, Form(texts_of(stored, terms)), stored))


@post("/placements/{key:str}/settings", status_code=200)
async def save_settings(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Store what was edited, unless someone else was faster."""
    frame.must_change()
    values, terms = joined(await several_typed(request)) | {"key": key}, await _terms(frame, key)
    stored = await saving.read(frame, "placement", key, key)

    async def write() -> Resource:
        document, version = document_of(values, terms), version_of(values)
        return await saving.update(frame, key, document, version=version)

    async def saved_now() -> Mapping[str, str]:
        return texts_of(await saving.read(frame, "placement", key, key), terms)

    try:
        saved = await store(values, write, saved_now, names=names_of(terms), form_fields=form_fields_of(terms))
    except Refused as refusal:
        page = _page(frame, terms, refusal.form, stored, conflicts=refusal.conflicts)
        return frame.form(
            "placements/placement_settings.html", "placements/_placement_form.html", page, status=refusal.status
        )
    page = replace(_page(frame, terms, Form(texts_of(saved, terms)), saved), saved=True)
    return frame.form("placements/placement_settings.html", "placements/_placement_form.html", page)


@post("/placements/{key:str}/delete", status_code=200)
async def delete_placement(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Delete a placement with all that is in it, once its key was typed."""
    frame.must_edit()
    values = await typed(request)
    stored = await frame.engine.catalogue.get(frame.merchant.id, "placement", "", key)
    if values.get("confirm", "").strip() != key:
        deletion = Form(values).with_problems([FieldProblem("confirm", f"type {key}, then delete")])
        terms = await _terms(frame, key)
        page = _page(frame, terms, Form(texts_of(stored, terms)), stored, deletion=deletion)
        return frame.page("placements/placement_settings.html", page, status=422)
    await frame.engine.catalogue.delete(frame.actor, "placement", "", key, version=version_of(values))
    return frame.go(f"{frame.base}/placements", notice=Notice(f"{stored.document.name} is deleted."))


async def _terms(frame: Frame, key: str) -> Terms:
    return terms_of(
        await frame.engine.catalogue.configuration(frame.merchant.id), key, frame.merchant, frame.show.locale
    )


def _page(
    frame: Frame,
    terms: Terms,
    form: Form,
    stored: Resource | None = None,
    *,
    deletion: Form | None = None,
    conflicts: list[Difference] | None = None,
) -> SettingsPage:
    base = f"{frame.base}/placements/{stored.id}" if stored else f"{frame.base}/placements"
    groups = Reader(form.values).words("buckets")
    return SettingsPage(
        title=f"{stored.document.name}: settings" if stored else "New placement",
        action=f"{base}/settings" if stored else f"{base}/-/new",
        base=base,
        placement=stored.document if stored else None,
        form=form,
        deletion=deletion or Form(),
        currency=terms.currency,
        saved=False,
        conflicts=conflicts or [],
        facts=facts_of(terms),
        learned_facts=frozenset(Reader(form.values).words("features")),
        groups=groups_of(terms, groups),
        chosen_groups=[*groups, "", "", ""][:3],
        shares=_shares(terms, form),
        tuned=frozenset(part for part, names in FINE.items() if _is_tuned(form, names)),
    )


def _shares(terms: Terms, form: Form) -> Options:
    """Return the candidates to share among, and those that were named once and are no more."""
    named = [name.removeprefix(WEIGHT) for name in form.values if name.startswith(WEIGHT)]
    return [(id, terms.candidates.get(id, id)) for id in dict.fromkeys((*terms.candidates, *named))]


def _is_tuned(form: Form, names: Sequence[str]) -> bool:
    """Return whether any of these fields differs from what is usual, or has something wrong with it."""
    return any(form.problem(name) or form.value(name) != DEFAULTS.get(name, "") for name in names)


handlers = [new_placement, create_placement, settings_page, save_settings, delete_placement]
