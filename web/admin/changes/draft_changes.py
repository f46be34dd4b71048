"""The page of a placement's draft: what it changes, its review, and publishing it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.clock import now_ms
from engine.configuration.draft_overlay import ORDER, Draft, DraftItem
from engine.configuration.plan_difference import Difference
from engine.configuration.release import stands_in_the_way
from engine.insights.traffic_checks import candidate_warning
from engine.kernel.scenario_check import ScenarioOutcome
from engine.model.errors import EngineError, FieldProblem, Forbidden, Invalid, NotFound, invalid
from engine.model.history import Emergency
from engine.model.placement import Candidate, Placement
from engine.model.resource_kinds import Kind
from engine.model.timestamps import to_ms
from engine.previews.change_reach import answers_changed
from rules.analysis.check import RuleFinding
from web.admin.changes.detail_words import details_of
from web.admin.log.audit import Line, difference
from web.admin.rules.draft_rules import load_rules
from web.admin.rules.rule_checks import Findings, findings_of
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import Form, SkippedTime, local_moment, sentence
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page
from web.http.request_reading import row_number

MARKS = {"new": ("New", "good"), "changed": ("Changed", "plain"), "deleted": ("Deleted", "bad")}
LONGEST_REASON = 500
encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class ChangedRuleRow:
    """One thing that the draft changes: in words, part by part, and as JSON, with what the checks found in a rule."""

    id: str
    name: str
    href: str
    item_kind: Kind
    findings: Sequence[RuleFinding]
    authors: Sequence[str]
    mark: str
    kind: str
    was: str
    now: str
    details: Sequence[tuple[str, str, str]]
    lines: Sequence[Line]
    moved: bool
    revision: int
    changed_by: str
    changed_at: int


@dataclass(frozen=True)
class ChangeReach:
    """Of `total` recent decisions, how many a change could answer otherwise; None if that cannot be computed.

    `warning` says why no recent decision could have offered a changed candidate. `is_gone`: the change was published or
    discarded while the page was open.
    """

    changed: int | None
    total: int
    warning: str
    is_gone: bool = False


@dataclass(frozen=True)
class ChangesPage:
    """The draft of one placement; `scenarios` is None where its rules make no plan, for the reason in `problems`."""

    placement: Placement
    draft: Draft
    rows: Sequence[ChangedRuleRow]
    scenarios: Sequence[ScenarioOutcome] | None
    failing: int
    may_approve: bool
    may_publish: bool
    form: Form
    problems: Sequence[str]
    is_scheduled: bool
    emergencies: Sequence[Emergency]


@get("/placements/{key:str}/changes")
async def changes_page(frame: NamedDependency[Frame], key: FromPath[str]) -> Page:
    """Show what publishing the draft would change, and publish, schedule or discard it."""
    return frame.page("changes/changes.html", await _page(frame, key))


@get("/placements/{key:str}/changes/reach")
async def change_reach(
    frame: NamedDependency[Frame], key: FromPath[str], kind: FromQuery[str] = "rule", id: FromQuery[str] = ""
) -> Page:
    """Say how many recent answers one change alone could alter; the page asks for each change as it comes into view."""
    published, draft = await frame.engine.drafts.load(frame.merchant.id, key)
    item = next((item for item in draft.changes if item.key == (_kind({"kind": kind}), id)), None)
    if item is None:
        return frame.page("changes/_change_reach.html", ChangeReach(None, 0, "", is_gone=True))
    traffic = await frame.engine.traffic.of(frame.merchant.id, key)
    count = await asyncio.to_thread(answers_changed, published, draft, item, traffic.facts, now=frame.show.now)
    warning = ""
    if isinstance(item.after, Candidate):
        warning = candidate_warning(item.after, traffic, published.currency)
    return frame.page("changes/_change_reach.html", ChangeReach(count, len(traffic.facts), warning))


@post("/placements/{key:str}/changes", status_code=200)
async def act_on_changes(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Publish, schedule, send for review, approve, take back, keep or discard, as the button says."""
    frame.must_draft()
    values = await typed(request)
    act = ACTS.get(values.get("act", ""))
    if act is None:
        raise NotFound("there is no such button")
    try:
        notice = await act(frame, key, values)
    except Forbidden:
        raise
    except EngineError as error:
        problems = error.problems if isinstance(error, Invalid) else (FieldProblem("form", error.detail),)
        status = 422 if isinstance(error, Invalid) else 409
        return frame.page(
            "changes/changes.html", await _page(frame, key, values=values, problems=problems), status=status
        )
    return frame.go(f"{frame.base}/placements/{key}/changes", notice=notice)


@post("/placements/{key:str}/changes/{entry_id:int}/restore", status_code=200)
async def restore_changes(frame: NamedDependency[Frame], key: FromPath[str], entry_id: FromPath[int]) -> Response[Any]:
    """Put back what was discarded."""
    frame.must_draft()
    count = await frame.engine.drafts.bring_back(frame.actor, key, row_number(entry_id))
    text = f"{frame.show.count(count, 'change')} restored to the draft."
    return frame.go(f"{frame.base}/placements/{key}/changes", notice=Notice(text))


@post("/emergencies/{id:int}/seen", status_code=200)
async def see_emergency(frame: NamedDependency[Frame], id: FromPath[int]) -> Response[Any]:
    """Confirm having seen what somebody else did alone."""
    frame.must_draft()
    await frame.engine.emergencies.acknowledge(frame.actor, id)
    return frame.go(f"{frame.base}/", notice=Notice("Your confirmation is saved."))


@post("/review", status_code=200)
async def choose_review(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Switch on or off that a second person must approve changes on this side."""
    frame.must_administer()
    values = await typed(request)
    on = values.get("review") == "on"
    await frame.engine.accounts.set_review(frame.merchant, on=on, actor_name=frame.actor.name)
    text = "Review is on: a second person must approve changes." if on else "Review is off: changes need no approval."
    key = values.get("placement", "")
    return frame.go(f"{frame.base}/placements/{key}/changes" if key else f"{frame.base}/", notice=Notice(text))


async def _publish(frame: Frame, key: str, values: dict[str, str]) -> Notice:
    frame.must_edit()
    version = await frame.engine.releases.publish(frame.actor, key, revision=_revision(values), reason=_reason(values))
    return Notice(f"Version {version} is in force.")


async def _schedule(frame: Frame, key: str, values: dict[str, str]) -> Notice:
    frame.must_edit()
    publish_at = _moment(values.get("publish_at", ""), frame.show.zone)
    await frame.engine.releases.schedule(
        frame.actor, key, revision=_revision(values), reason=_reason(values), publish_at=publish_at
    )
    return Notice(f"It will be published {frame.show.moment(publish_at)}, unless the draft changes before then.")


async def _ask(frame: Frame, key: str, values: dict[str, str]) -> Notice:
    frame.must_draft()
    await frame.engine.releases.ask(frame.actor, key, revision=_revision(values), reason=_reason(values))
    return Notice("Sent for review. Someone else can approve it on this page.")


async def _approve(frame: Frame, key: str, values: dict[str, str]) -> Notice:
    frame.must_edit()
    await frame.engine.releases.approve(frame.actor, key, revision=_revision(values))
    return Notice("Approved. It can be published now.")


async def _send_back(frame: Frame, key: str, values: dict[str, str]) -> Notice:
    frame.must_draft()
    await frame.engine.releases.send_back(frame.actor, key, revision=_revision(values))
    return Notice("Review and schedule withdrawn.")


async def _discard(frame: Frame, key: str, values: dict[str, str]) -> Notice:
    frame.must_draft()
    ids = [values["id"]] if values.get("id") else None
    entry = await frame.engine.drafts.discard(frame.actor, key, ids, revision=_revision(values), kind=_kind(values))
    text = "Change discarded." if ids else "All changes discarded."
    return Notice(text, undo=f"{frame.base}/placements/{key}/changes/{entry}/restore" if entry else "")


async def _keep(frame: Frame, key: str, values: dict[str, str]) -> Notice:
    frame.must_draft()
    revision = int(values["seen"]) if values.get("seen", "").isdigit() else -1
    await frame.engine.drafts.keep(frame.actor, key, values.get("id", ""), revision=revision, kind=_kind(values))
    return Notice("Change kept.")


ACTS = {
    "publish": _publish,
    "schedule": _schedule,
    "ask": _ask,
    "approve": _approve,
    "send-back": _send_back,
    "discard": _discard,
    "keep": _keep,
}


async def _page(
    frame: Frame, key: str, *, values: dict[str, str] | None = None, problems: Sequence[FieldProblem] = ()
) -> ChangesPage:
    draft, differences = await frame.engine.drafts.differences(frame.merchant.id, key, frame.wording)
    placement = (await frame.engine.catalogue.get(frame.merchant.id, "placement", "", key)).document
    findings = await findings_of(frame, await load_rules(frame, key))
    shown = [problem for problem in problems if problem.field not in ("publish_at", "why")]
    names = {f"{item.kind} {item.id}": change.name for item, change in zip(draft.changes, differences, strict=True)}
    texts = [sentence(_problem_text(problem, names)) for problem in shown]
    try:
        scenarios: Sequence[ScenarioOutcome] | None = await frame.engine.scenarios.try_draft(frame.merchant.id, key)
    except Invalid as broken:
        scenarios = None
        texts = texts or [sentence(_problem_text(problem, names)) for problem in broken.problems]
    form = Form({"why": draft.head.reason, **(values or {})}).with_problems(
        [problem for problem in problems if problem not in shown]
    )
    approved = draft.head.state == "approved" or not draft.review
    return ChangesPage(
        placement=placement,
        draft=draft,
        rows=[
            _row(frame, key, rule, changed, findings) for rule, changed in zip(draft.changes, differences, strict=True)
        ],
        scenarios=scenarios,
        failing=sum(not scenario.holds for scenario in scenarios or ()),
        may_approve=frame.may_edit and draft.head.state == "in_review" and not stands_in_the_way(frame.actor, draft),
        may_publish=frame.may_edit and approved,
        form=form,
        problems=texts,
        is_scheduled=draft.head.publish_at is not None,
        emergencies=await frame.engine.emergencies.unseen(frame.merchant.id),
    )


def _problem_text(problem: FieldProblem, names: Mapping[str, str]) -> str:
    """Return the problem after the name of the change that it is in; `names` by kind and id, such as `rule r1`."""
    if problem.field == "form":
        return problem.message
    name = names.get(problem.field.partition(" of ")[0])
    return f"“{name}”: {problem.message}" if name else f"{problem.field}: {problem.message}"


def _row(frame: Frame, key: str, rule: DraftItem, rule_change: Difference, findings: Findings) -> ChangedRuleRow:
    mark, kind = MARKS[rule_change.mark]
    return ChangedRuleRow(
        id=rule.id,
        name=rule_change.name,
        href=_address(frame, key, rule),
        item_kind=rule.kind,
        findings=findings.get(rule.id, ()) if rule.kind == "rule" else (),
        authors=rule.authors,
        mark=mark,
        kind=kind,
        was=rule_change.was,
        now=rule_change.now,
        details=details_of(rule_change, frame.show, frame.merchant.currency),
        lines=lines_of(rule_change),
        moved=rule.moved,
        revision=rule.revision,
        changed_by=rule.changed_by,
        changed_at=rule.changed_at,
    )


def lines_of(rule_change: Difference) -> list[Line]:
    """Compare two documents line by line."""
    return difference(
        *(
            None if document is None else encode(document).decode()
            for document in (rule_change.before, rule_change.after)
        )
    )


def _kind(values: dict[str, str]) -> Kind:
    kind = values.get("kind", "rule")
    return next((each for each in ORDER if each == kind), "rule")


def _address(frame: Frame, key: str, item: DraftItem) -> str:
    """Return where a change is edited; empty where it has no page."""
    pages = {
        "rule": f"/rules/{key}/{item.id}",
        "candidate": f"/methods/{item.id}" if key == "payment_methods" else f"/placements/{key}/candidates/{item.id}",
        "placement": f"/placements/{key}/settings",
        "field": f"/fields/{item.id}",
        "budget": f"/budgets/{item.id}",
    }
    return f"{frame.base}{pages[item.kind]}" if item.kind in pages else ""


def _revision(values: dict[str, str]) -> int:
    return int(values["revision"]) if values.get("revision", "").isdigit() else -1


def _reason(values: dict[str, str]) -> str:
    reason = values.get("why", "").strip()
    if len(reason) > LONGEST_REASON:
        raise invalid("why", f"must have at most {LONGEST_REASON} characters")
    return reason


def _moment(text: str, zone: ZoneInfo) -> int:
    try:
        moment = local_moment(text, zone)
    except SkippedTime as problem:
        raise invalid("publish_at", str(problem)) from None
    except ValueError:
        raise invalid("publish_at", "choose a day and a time") from None
    if to_ms(moment) <= now_ms():
        raise invalid("publish_at", "must be in the future")
    return to_ms(moment)


handlers = [changes_page, change_reach, act_on_changes, restore_changes, see_emergency, choose_review]
