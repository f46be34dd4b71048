"""What if: one change of the plan in force, tried on past decisions, and put into the draft with a click.

A method paused, first or from another amount; a rule off; the order fixed. Nobody's draft is changed by asking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.configuration.configuration import Configuration
from engine.configuration.drafts import after_draft
from engine.model.errors import Conflict, Invalid, NotFound
from engine.model.placement import Fixed, Placement, RuleDocument
from engine.previews.alternatives import Alternative, AlternativeKind, changed_documents
from engine.previews.previews import Period
from web.admin.candidates.candidate_list import in_order
from web.admin.changes.preview_box import PreviewBox, PreviewTopic, box_of, period_of, problems_of, texts_of
from web.admin.changes.preview_report import CHANGE, LIMIT, RULE
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page

CANDIDATE_CHANGES: Mapping[str, AlternativeKind] = {"paused": "paused", "first": "first", "minimum": "minimum"}
CHANGES = (
    ("paused", "is paused"),
    ("first", "comes first"),
    ("minimum", "is offered from this amount"),
)
COMPARED = {"off": RULE, "paused": LIMIT, "minimum": LIMIT}
NOTHING = PreviewTopic("", "", "", {}, "", "", CHANGE)


class ChangeQuestion(NamedTuple):
    """A change with its title, and what happens once it is in the draft."""

    alternative: Alternative
    title: str
    done: str


@dataclass(frozen=True)
class WhatIfPage(PreviewBox):
    """The questions that can be asked of a placement, and the preview of the one that was."""

    ask: Form
    candidates: Sequence[tuple[str, str]]
    rules: Sequence[tuple[str, str]]
    changes: Sequence[tuple[str, str]]
    may_fix_order: bool
    address: str
    question: ChangeQuestion | None


@get("/placements/{key:str}/what-if")
async def what_if_page(
    frame: NamedDependency[Frame],
    key: FromPath[str],
    change: FromQuery[str] = "",
    id: FromQuery[str] = "",
    amount: FromQuery[str | None] = None,
) -> Page:
    """Show the questions, and the preview of the one in the address."""
    page = await _page(frame, key, _values(change, id, amount))
    return frame.page("changes/what_if.html", page, status=422 if page.ask.problems else 200)


@get("/placements/{key:str}/what-if/box")
async def what_if_box(
    frame: NamedDependency[Frame],
    key: FromPath[str],
    change: FromQuery[str] = "",
    id: FromQuery[str] = "",
    amount: FromQuery[str | None] = None,
) -> Page:
    """Show the preview alone, while it runs and when it has ended."""
    page = await _page(frame, key, _values(change, id, amount))
    return frame.page("changes/_preview_box.html", page)


@post("/placements/{key:str}/what-if", status_code=200)
async def start_what_if(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Try the change on a period."""
    frame.must_draft()
    values = await typed(request)
    question = await _question_of(frame, key, values)
    try:
        period = Period(*period_of(frame, values))
        await frame.engine.previews.start_alternative(frame.actor, key, period, question.alternative)
    except (Invalid, Conflict) as refusal:
        page = await _page(frame, key, values, form=Form(values, problems_of(refusal)))
        status = 200 if frame.is_htmx else 422
        return frame.form("changes/what_if.html", "changes/_preview_box.html", page, status=status)
    return await _again(frame, key, values)


@post("/placements/{key:str}/what-if/{id:str}/cancel", status_code=200)
async def cancel_what_if(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Cancel a running preview."""
    frame.must_draft()
    await frame.engine.previews.cancel(frame.merchant.id, id)
    return await _again(frame, key, await typed(request))


@post("/placements/{key:str}/what-if/draft", status_code=200)
async def put_in_draft(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Make the change in the draft, where it can be reviewed, previewed with the others, and published."""
    frame.must_draft()
    question = await _question_of(frame, key, await typed(request))
    await frame.engine.previews.put_in_draft(frame.actor, key, question.alternative)
    return frame.go(f"{frame.base}/placements/{key}/changes", notice=Notice(f"{question.done} in the draft."))


def what_if_address(frame: Frame, key: str, change: str, id: str = "") -> str:
    """Return the address of a question about a candidate, a rule or the order."""
    return f"{frame.base}/placements/{key}/what-if?change={change}" + (f"&id={id}" if id else "")


async def _question_of(frame: Frame, key: str, values: Mapping[str, str]) -> ChangeQuestion:
    configuration, draft = await frame.engine.drafts.load(frame.merchant.id, key)
    question = _question(frame, after_draft(configuration, draft), key, values)
    if question is None:
        raise NotFound("choose what to change")
    return question


async def _again(frame: Frame, key: str, values: Mapping[str, str]) -> Response[Any]:
    page = await _page(frame, key, values)
    if frame.is_htmx:
        return frame.page("changes/_preview_box.html", page)
    return frame.go(f"{page.address}{page.topic.query}")


async def _page(frame: Frame, key: str, values: Mapping[str, str], *, form: Form | None = None) -> WhatIfPage:
    published, draft = await frame.engine.drafts.load(frame.merchant.id, key)
    placement: Placement = published.get("placement", "", key).document
    address = f"{frame.base}/placements/{key}/what-if"
    question, ask = None, Form({name: values.get(name, "") for name in ("change", "id", "amount")})
    try:
        question = _question(frame, after_draft(published, draft), key, values)
    except Invalid as error:
        ask = ask.with_problems(error.problems)
    last, topic = None, NOTHING
    if question is not None:
        last = await frame.engine.previews.newest(frame.merchant.id, key, alternative=question.alternative)
        topic = _words(question, address, ask.values)
    box = box_of(frame, published, key, topic, last, form=form or Form(texts_of(frame, last)))
    candidates = [each for each in in_order(published.documents("candidate", key)) if each.enabled]
    return WhatIfPage(
        **vars(box),
        ask=ask,
        candidates=[(each.id, each.label) for each in candidates],
        rules=[(item.id, item.shown.name) for item in draft.rules if item.after],
        changes=CHANGES,
        may_fix_order=not isinstance(placement.policy, Fixed),
        address=address,
        question=question,
    )


def _values(change: str, id: str, amount: str | None) -> dict[str, str]:
    return {"change": change, "id": id} | ({} if amount is None else {"amount": amount})


def _question(frame: Frame, configuration: Configuration, key: str, values: Mapping[str, str]) -> ChangeQuestion | None:
    """Read a question, and check that it can be asked; None where nothing was chosen, or no amount was typed yet."""
    change, id = values.get("change", ""), values.get("id", "")
    if change == "fixed":
        title = "What if the order were fixed, without learning?"
        return ChangeQuestion(Alternative("fixed"), title, "The order is fixed")
    if change == "off" and id:
        rule: RuleDocument = configuration.get("rule", key, id).document
        return ChangeQuestion(Alternative("off", id), f"What does “{rule.name}” bring?", f"“{rule.name}” is off")
    if change not in CANDIDATE_CHANGES or not id or (change == "minimum" and "amount" not in values):
        return None
    label = configuration.get("candidate", key, id).document.label
    alternative = Alternative(CANDIDATE_CHANGES[change], id, _amount(frame, change, values))
    changed_documents(configuration, key, alternative)
    if change == "minimum":
        amount = frame.show.money(alternative.amount, frame.merchant.currency)
        return ChangeQuestion(
            alternative, f"What if {label} were offered from {amount}?", f"{label} is offered from {amount}"
        )
    texts = {"paused": ("were paused", "is paused"), "first": ("came first", "comes first")}
    were, done = texts[change]
    return ChangeQuestion(alternative, f"What if {label} {were}?", f"{label} {done}")


def _amount(frame: Frame, change: str, values: Mapping[str, str]) -> int:
    if change != "minimum":
        return 0
    reader = Reader(values, frame.show.locale)
    reader.text("amount", required="Type an amount.")
    amount = reader.money("amount", frame.merchant.currency)
    reader.check()
    return amount or 0


def _words(question: ChangeQuestion, address: str, fields: Mapping[str, str]) -> PreviewTopic:
    is_rule = question.alternative.change == "off"
    return PreviewTopic(
        title=question.title,
        purpose=(
            "The plan in force with this rule, beside the plan in force without it, on the same past decisions. "
            "Other changes in the draft do not count."
            if is_rule
            else "The plan in force, beside the same plan with this one change, on the same past decisions. "
            "Asking changes nothing, and other changes in the draft do not count."
        ),
        base=address,
        fields={name: value for name, value in fields.items() if value},
        running="Comparing",
        start="Compare with and without it" if is_rule else "Try it on the past",
        compared=COMPARED.get(question.alternative.change, CHANGE),
    )


handlers = [what_if_page, what_if_box, start_what_if, cancel_what_if, put_in_draft]
