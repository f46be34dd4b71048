"""Scenarios of a placement: saved facts with the answer that must come of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.kernel.scenario_check import ScenarioOutcome
from engine.model.errors import Conflict, FieldProblem
from engine.model.placement import Placement, Scenario
from engine.model.resource import Resource
from rules import RuleError, loads
from web.admin.rules.builder.rule_view import RuleContext
from web.admin.rules.draft_rules import load_rules
from web.admin.rules.scenario_form import ScenarioInputs, read_scenario, scenario_inputs
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import Difference, Refused, no_one_else, store, to_document, version_of
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.json_text import pretty
from web.admin.shell.render import Page
from web.admin.shell.undo import undo_address

NAMES = {"name": "Name", "context": "Facts", "expect": "Expected answer", "notes": "Notes", "id": "Id"}
HINTS = {
    "name": "Give it a name of at most 120 characters.",
    "notes": "At most 2,000 characters.",
    "id": "Letters, digits and _.:- only, at most 64.",
    "context": 'Must be facts by group, such as {"cart": {"total": 12900}}.',
    "expect": 'May have shown, hidden, pinned and values, such as {"hidden": ["klarna"]}.',
}
EXAMPLE = {
    "context": pretty({"cart": {"total": 12900, "currency": "EUR"}, "geo": {"country": "DE"}}),
    "expect": pretty({"shown": [], "hidden": [], "pinned": [], "values": {}}),
}


@dataclass(frozen=True)
class ScenariosPage:
    """All of a placement, each tried on the plan in force."""

    placement: Placement
    outcomes: Sequence[ScenarioOutcome]
    failing: int


@dataclass(frozen=True)
class ScenarioPage:
    """The form of one; `outcome` says how a stored one comes out now.

    `inputs` are None where the facts or the expectation are JSON that cannot be read.
    """

    title: str
    action: str
    base: str
    form: Form
    inputs: ScenarioInputs | None
    outcome: ScenarioOutcome | None
    saved: bool
    conflicts: list[Difference]


@get("/placements/{key:str}/scenarios")
async def scenarios_page(frame: NamedDependency[Frame], key: FromPath[str]) -> Page:
    """Show the scenarios, those that fail first."""
    placement = (await frame.engine.catalogue.get(frame.merchant.id, "placement", "", key)).document
    outcomes = await frame.engine.scenarios.try_live(frame.merchant.id, key)
    outcomes.sort(key=lambda outcome: (outcome.holds, outcome.name.casefold()))
    failing = sum(not outcome.holds for outcome in outcomes)
    return frame.page("rules/scenarios.html", ScenariosPage(placement, outcomes, failing))


@get("/placements/{key:str}/scenarios/-/new")
async def new_scenario(frame: NamedDependency[Frame], key: FromPath[str]) -> Page:
    """Show the form of a new scenario with an example."""
    frame.must_draft()
    await frame.engine.catalogue.get(frame.merchant.id, "placement", "", key)
    return frame.page("rules/scenario.html", await _new(frame, key, Form(EXAMPLE)))


@post("/placements/{key:str}/scenarios/-/new", status_code=200)
async def create_scenario(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Store a new one."""
    frame.must_draft()
    values = await _sent(request, frame, key)

    async def write() -> Resource:
        made = [document_of(values, id=values.get("id", "").strip())]
        return (await frame.engine.catalogue.create(frame.actor, "scenario", key, made))[0]

    try:
        created = await store(values, write, no_one_else, names=NAMES)
    except Refused as refusal:
        page = await _new(frame, key, refusal.form)
        return frame.form("rules/scenario.html", "rules/_scenario_form.html", page, status=refusal.status)
    notice = Notice(f"“{created.document.name}” is saved. A change that breaks it cannot be published.")
    return frame.go(f"{frame.base}/placements/{key}/scenarios", notice=notice)


@get("/placements/{key:str}/scenarios/{id:str}")
async def scenario_page(frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]) -> Page:
    """Show the form of a stored scenario and its result."""
    stored = await frame.engine.catalogue.get(frame.merchant.id, "scenario", key, id)
    return frame.page("rules/scenario.html", await _stored(frame, stored, Form(texts_of(stored))))


@post("/placements/{key:str}/scenarios/{id:str}", status_code=200)
async def save_scenario(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Store what was edited, unless someone else was faster."""
    frame.must_draft()
    values = await _sent(request, frame, key) | {"id": id}
    catalogue = frame.engine.catalogue
    stored = await catalogue.get(frame.merchant.id, "scenario", key, id)

    async def write() -> Resource:
        document, version = document_of(values, id=id), version_of(values)
        return await catalogue.update(frame.actor, "scenario", key, id, document, version=version)

    async def saved_now() -> Mapping[str, str]:
        return texts_of(await catalogue.get(frame.merchant.id, "scenario", key, id))

    try:
        saved = await store(values, write, saved_now, names=NAMES)
    except Refused as refusal:
        page = await _stored(frame, stored, refusal.form, conflicts=refusal.conflicts)
        return frame.form("rules/scenario.html", "rules/_scenario_form.html", page, status=refusal.status)
    page = await _stored(frame, saved, Form(texts_of(saved)), saved=True)
    return frame.form("rules/scenario.html", "rules/_scenario_form.html", page)


@post("/placements/{key:str}/scenarios/{id:str}/delete", status_code=200)
async def delete_scenario(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Delete one; the notice offers to take it back."""
    frame.must_draft()
    version = version_of(await typed(request))
    deleted = await frame.engine.catalogue.delete(frame.actor, "scenario", key, id, version=version)
    notice = Notice(f"“{deleted.document.name}” is deleted.", undo=await undo_address(frame, deleted))
    return frame.go(f"{frame.base}/placements/{key}/scenarios", notice=notice)


@post("/decisions/{decision_id:str}/scenario", status_code=200)
async def scenario_from_decision(frame: NamedDependency[Frame], decision_id: FromPath[str]) -> Response[Any]:
    """Save what was certain in a decision as what must come of these facts, and open it."""
    frame.must_draft()
    key, made = await frame.engine.scenarios.from_decision(frame.merchant.id, decision_id)
    address = f"{frame.base}/placements/{key}/scenarios/{made.id}"
    try:
        await frame.engine.catalogue.create(frame.actor, "scenario", key, [made])
    except Conflict:
        return frame.go(address, notice=Notice("This decision already has a scenario."))
    return frame.go(address, notice=Notice("Saved as a scenario. Give it a name and remove the parts that may change."))


async def _sent(request: AnyRequest, frame: Frame, key: str) -> dict[str, str]:
    """Read a sent form; what was typed into the inputs stands in its JSON."""
    values = await typed(request)
    rules = await load_rules(frame, key)
    try:
        facts, expect = (loads(values.get(name, "") or "{}") for name in ("context", "expect"))
    except RuleError:
        return values
    if not isinstance(facts, dict) or not isinstance(expect, dict):
        return values
    context = RuleContext(rules, frame.merchant, frame.show, id="")
    facts, expect = read_scenario(values, rules, context, facts, expect)
    return values | {"context": pretty(facts), "expect": pretty(expect)}


async def _inputs(frame: Frame, key: str, form: Form) -> ScenarioInputs | None:
    rules = await load_rules(frame, key)
    try:
        texts = {"context": form.value("context") or "{}", "expect": form.value("expect") or "{}"}
        parts = {name: loads(text) for name, text in texts.items()}
        document = msgspec.convert({"id": "shown", "name": "shown", **parts}, Scenario)
    except (RuleError, msgspec.ValidationError):
        return None
    context = RuleContext(rules, frame.merchant, frame.show, id="")
    return scenario_inputs(rules, context, document.context, msgspec.to_builtins(document.expect))


def document_of(values: Mapping[str, str], *, id: str) -> Scenario:
    """Return the scenario that a form describes; raises `Invalid` with every problem of its texts."""
    reader = Reader(values)
    texts: dict[str, Any] = {
        "id": id,
        "name": reader.text("name", required="Give it a name that says what to expect"),
        "notes": reader.text("notes"),
    }
    for name in ("context", "expect"):
        try:
            texts[name] = loads(reader.text(name) or "{}")
        except RuleError as error:
            reader.problems += [
                FieldProblem(name, f"{problem.path} {problem.message}".strip()) for problem in error.problems
            ]
    reader.check()
    return to_document(texts, Scenario, hints=HINTS)


def texts_of(stored: Resource) -> dict[str, str]:
    """Return a stored scenario as its form shows it."""
    document: Scenario = stored.document
    return {
        "id": document.id,
        "name": document.name,
        "context": pretty(document.context),
        "expect": pretty({name: part for name, part in msgspec.to_builtins(document.expect).items() if part}),
        "notes": document.notes,
        "version": str(stored.version),
    }


async def _new(frame: Frame, key: str, form: Form) -> ScenarioPage:
    base = f"{frame.base}/placements/{key}/scenarios"
    return ScenarioPage("New scenario", f"{base}/-/new", base, form, await _inputs(frame, key, form), None, False, [])


async def _stored(
    frame: Frame, stored: Resource, form: Form, *, saved: bool = False, conflicts: list[Difference] | None = None
) -> ScenarioPage:
    base = f"{frame.base}/placements/{stored.placement}/scenarios"
    outcomes = await frame.engine.scenarios.try_live(frame.merchant.id, stored.placement)
    outcome = next((outcome for outcome in outcomes if outcome.id == stored.id), None)
    inputs = await _inputs(frame, stored.placement, form)
    title = stored.document.name
    return ScenarioPage(title, f"{base}/{stored.id}", base, form, inputs, outcome, saved, conflicts or [])


handlers = [
    scenarios_page,
    new_scenario,
    create_scenario,
    scenario_page,
    save_scenario,
    delete_scenario,
    scenario_from_decision,
]
