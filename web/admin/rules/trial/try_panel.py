"""The panel beside a rule that tries a customer: facts to edit, and the answer that the rules would give."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from markupsafe import Markup

from engine.model.errors import NotFound
from web.admin.rules.builder.history import History, unpacked
from web.admin.rules.draft_rules import load_rules
from web.admin.rules.rule_edit import NEW, RuleEdit
from web.admin.rules.trial.customer_trial import CustomerTrial
from web.admin.rules.trial.panel import Panel
from web.admin.rules.trial.try_starts import TrialScene, load_starts
from web.admin.shell.admission import AnyRequest, several_typed
from web.admin.shell.frame import Frame
from web.admin.shell.render import SWAPPED, Page


@dataclass(frozen=True)
class TriedFragment:
    """The outcome of a trial, and the parts of the panel to replace."""

    tried: Panel
    oob: Markup


@dataclass(frozen=True)
class SavedFragment:
    """The scenario that was saved: its name and its address."""

    name: str
    href: str


@get("/rules/{key:str}/{id:str}/try")
async def try_page(frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]) -> Page:
    """Show the rule's page with the panel filled in."""
    return await _panel_page(frame, await _trial(frame, key, id, {}))


@post("/rules/{key:str}/{id:str}/try", status_code=200)
async def try_customer(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Page:
    """Try these facts, with the rule as it stands on the page."""
    trial = await _trial(frame, key, id, await several_typed(request))
    if not frame.is_htmx:
        return await _panel_page(frame, trial)
    return frame.page("rules/trial/_try_answer.html", TriedFragment(await trial.panel(), SWAPPED))


@post("/rules/{key:str}/{id:str}/try/scenario", status_code=200)
async def save_as_scenario(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Save the facts, with what is certain of their answer, as a scenario."""
    frame.must_draft()
    trial = await _trial(frame, key, id, await several_typed(request))
    scenario = await trial.scenario()
    await frame.engine.catalogue.create(frame.actor, "scenario", key, [scenario])
    address = f"{frame.base}/placements/{key}/scenarios/{scenario.id}"
    if not frame.is_htmx:
        return frame.go(address)
    return frame.page("rules/trial/_try_saved.html", SavedFragment(scenario.name, address))


async def _panel_page(frame: Frame, trial: CustomerTrial) -> Page:
    sent = trial.edit.sent
    history = unpacked(sent["history"]) if "history" in sent else History()
    page = await trial.edit.shown(trial.form, history, tried=await trial.panel())
    return frame.page("rules/rule.html", page)


async def _trial(frame: Frame, key: str, id: str, form_fields: Mapping[str, Sequence[str]]) -> CustomerTrial:
    rules = await load_rules(frame, key)
    stored = rules.find(id)
    if stored is None and id != NEW:
        raise NotFound(f"there is no rule “{id}” in placement “{key}”", field="id")
    edit = await asyncio.to_thread(RuleEdit, frame, rules, stored, form_fields)
    scene = TrialScene(frame, rules.configuration, key, edit.context.terms, edit.sent)
    return await asyncio.to_thread(CustomerTrial, edit, await load_starts(scene))


handlers = [try_page, try_customer, save_as_scenario]
