"""Preview: what a draft would have answered, and what that would have done to the reward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.model.errors import Conflict, EngineError, Invalid, invalid
from engine.model.placement import Placement
from engine.model.timestamps import DAY, to_ms
from engine.previews.previews import Period, Preview
from web.admin.changes.preview_report import Report, report_of
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import Form
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page

PERIODS = (("7", "Last 7 days"), ("30", "Last 30 days"), ("custom", "Between two days"))
USUAL = "7"
ENDS = {
    "cancelled": "The preview was cancelled.",
    "interrupted": "The server stopped during the preview. Start it again.",
}


@dataclass(frozen=True)
class ProgressBar:
    """The progress of a preview; `share` of 0 to 1, None before the number of decisions is known."""

    id: str
    title: str
    share: float | None
    detail: str


@dataclass(frozen=True)
class PreviewBox:
    """The form, and what came of the last preview; `outdated` where the draft has changed since."""

    placement: Placement
    base: str
    form: Form
    periods: Sequence[tuple[str, str]]
    without: str
    without_name: str
    changes: int
    progress: ProgressBar | None
    ended: str
    outdated: bool
    started: Preview | None
    report: Report | None


@get("/rules/{key:str}/-/preview")
async def preview_page(frame: NamedDependency[Frame], key: FromPath[str], without: FromQuery[str] = "") -> Page:
    """Show the preview of a placement; with `without`, the preview without that rule."""
    return frame.page("changes/preview.html", await box_of(frame, key, without=without))


@get("/rules/{key:str}/-/preview/box")
async def preview_box(frame: NamedDependency[Frame], key: FromPath[str], without: FromQuery[str] = "") -> Page:
    """Show the preview alone, while it runs and when it has ended."""
    return frame.page("changes/_preview_box.html", await box_of(frame, key, without=without))


@post("/rules/{key:str}/-/preview", status_code=200)
async def start_preview(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Try the draft on a period."""
    frame.must_draft()
    values = await typed(request)
    without = values.get("without", "")
    try:
        since, until = _period(frame, values)
        await frame.engine.previews.start_draft(frame.actor, key, Period(since, until), without=without)
    except (Invalid, Conflict) as refusal:
        box = await box_of(frame, key, without=without, form=Form(values, _problems(refusal)))
        return frame.form(
            "changes/preview.html", "changes/_preview_box.html", box, status=200 if frame.is_htmx else 422
        )
    return await _again(frame, key, without)


@post("/rules/{key:str}/-/preview/{id:str}/cancel", status_code=200)
async def cancel_preview(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Cancel a running preview."""
    frame.must_draft()
    await frame.engine.previews.cancel(frame.merchant.id, id)
    return await _again(frame, key, (await typed(request)).get("without", ""))


async def box_of(frame: Frame, key: str, *, without: str = "", form: Form | None = None) -> PreviewBox:
    """Return the context of `_preview_box.html`; any page of this placement may include it."""
    engine, merchant_id = frame.engine, frame.merchant.id
    configuration, draft = await engine.drafts.load(merchant_id, key)
    last = await engine.previews.newest(merchant_id, key)
    names = {rule.id: rule.shown.name for rule in draft.rules}
    report = None
    if last and last.result:
        left_out = names.get(last.subject.without, last.subject.without)
        report = report_of(frame, last.result, key, left_out, configuration.colours(key))
    return PreviewBox(
        placement=configuration.get("placement", "", key).document,
        base=f"{frame.base}/rules/{key}/-/preview",
        form=form or Form(_texts(frame, last)),
        periods=PERIODS,
        without=without,
        without_name=names.get(without, without),
        changes=len(draft.changes),
        progress=_progress(frame, last, names) if last and last.running else None,
        ended=_ended(last) if last else "",
        outdated=bool(last and last.subject.revision is not None and last.subject.revision != draft.head.revision),
        started=last,
        report=report,
    )


async def _again(frame: Frame, key: str, without: str) -> Response[Any]:
    if frame.is_htmx:
        return frame.page("changes/_preview_box.html", await box_of(frame, key, without=without))
    return frame.go(f"{frame.base}/rules/{key}/-/preview" + (f"?without={without}" if without else ""))


def _period(frame: Frame, values: dict[str, str]) -> tuple[int, int]:
    """Return the chosen period in epoch milliseconds, with days on the merchant's clock."""
    chosen = values.get("period", USUAL)
    if chosen != "custom":
        days = int(chosen) if chosen in dict(PERIODS) else int(USUAL)
        return frame.show.now - days * DAY, frame.show.now
    first, last = _day(values, "first"), _day(values, "last")
    if last < first:
        raise invalid("last", "Must not be before the first day.")
    return _midnight(frame, first), min(_midnight(frame, last + timedelta(days=1)), frame.show.now)


def _day(values: dict[str, str], name: str) -> date:
    try:
        return date.fromisoformat(values.get(name, ""))
    except ValueError:
        raise invalid(name, "Choose a day.") from None


def _midnight(frame: Frame, day: date) -> int:
    return to_ms(datetime.combine(day, time(), frame.show.zone))


def _problems(refusal: EngineError) -> dict[str, str]:
    if isinstance(refusal, Invalid):
        fields = {"until": "last", "since": "first"}
        return {fields.get(problem.field, problem.field): problem.message for problem in refusal.problems}
    return {"period": "Another preview is running. Wait for it or cancel it."}


def _texts(frame: Frame, last: Preview | None) -> dict[str, str]:
    """Return the form with the period of the last preview."""
    if last is None:
        return {"period": USUAL, "first": "", "last": ""}
    days = str(round((last.until - last.since) / DAY))
    first, end = (datetime.fromtimestamp(moment / 1000, frame.show.zone) for moment in (last.since, last.until - 1))
    period = days if days in dict(PERIODS) and abs(last.until - last.started_at) < DAY / 24 else "custom"
    return {"period": period, "first": first.date().isoformat(), "last": end.date().isoformat()}


def _progress(frame: Frame, running: Preview, names: dict[str, str]) -> ProgressBar:
    show, left = frame.show, running.seconds_left
    what = f"the rules without “{names.get(running.subject.without)}”" if running.subject.without else "the draft"
    if not running.total:
        return ProgressBar(running.id, f"Previewing {what}", None, "Finding the decisions of the period.")
    detail = f"{show.number(running.done)} of {show.count(running.total, 'decision')}"
    if left is not None:
        detail += f", about {show.count(max(1, round(left)), 'second')} left"
    return ProgressBar(running.id, f"Previewing {what}", running.done / running.total, f"{detail}.")


def _ended(last: Preview) -> str:
    if last.state == "failed":
        return f"The preview failed: {last.problem}."
    return ENDS.get(last.state, "")


handlers = [preview_page, preview_box, start_preview, cancel_preview]
