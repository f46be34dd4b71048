"""The form of a preview, its progress and its report: of the draft, and of one change of the plan in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from engine.configuration.configuration import Configuration
from engine.model.errors import EngineError, Invalid, invalid
from engine.model.placement import Placement
from engine.model.timestamps import DAY, MINUTE, to_ms
from engine.previews.estimation.result import Result
from engine.previews.previews import Preview
from web.admin.changes.preview_report import Compared, Report, report_of
from web.admin.shell.forms import Form
from web.admin.shell.frame import Frame

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
class PreviewTopic:
    """The subject of a preview: its title and purpose, the address that starts it, and the fields that say what it is.

    `running` names it while it runs, `start` is the text of the button.
    """

    title: str
    purpose: str
    base: str
    fields: Mapping[str, str]
    running: str
    start: str
    compared: Compared

    @property
    def query(self) -> str:
        """Return the fields as the query of an address."""
        return f"?{urlencode(self.fields)}" if self.fields else ""


@dataclass(frozen=True)
class PreviewBox:
    """The form, and what came of the last preview; `outdated` where what it tried has changed since."""

    placement: Placement
    topic: PreviewTopic
    form: Form
    periods: Sequence[tuple[str, str]]
    progress: ProgressBar | None
    ended: str
    outdated: str
    started: Preview | None
    report: Report | None


def box_of(
    frame: Frame,
    configuration: Configuration,
    key: str,
    topic: PreviewTopic,
    last: Preview | None,
    *,
    form: Form | None = None,
) -> PreviewBox:
    """Return the context of `_preview_box.html` for the last preview of a topic."""
    placement: Placement = configuration.get("placement", "", key).document
    report = None
    if last and last.result:
        positions = configuration.colours(key)
        report = report_of(frame, last.result, key, topic.compared, positions)
        if last.result.read and not last.result.effect.counted:
            report = replace(report, reason=_when_known(frame, placement, last.result))
    return PreviewBox(
        placement=placement,
        topic=topic,
        form=form or Form(texts_of(frame, last)),
        periods=PERIODS,
        progress=_progress(frame, last, topic) if last and last.running else None,
        ended=_ended(last) if last else "",
        outdated="",
        started=last,
        report=report,
    )


def _when_known(frame: Frame, placement: Placement, result: Result) -> str:
    """Say when the first of the decisions will count."""
    window = frame.show.count(placement.window_minutes, "minute")
    first = frame.show.moment(result.first_at + placement.window_minutes * MINUTE)
    return f"A decision counts {window} after it was made. The first estimate is possible from {first} on."


def period_of(frame: Frame, values: dict[str, str]) -> tuple[int, int]:
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


def problems_of(refusal: EngineError) -> dict[str, str]:
    if isinstance(refusal, Invalid):
        fields = {"until": "last", "since": "first"}
        return {fields.get(problem.field, problem.field): problem.message for problem in refusal.problems}
    return {"period": "Another preview is running. Wait for it or cancel it."}


def texts_of(frame: Frame, last: Preview | None) -> dict[str, str]:
    """Return the form with the period of the last preview."""
    if last is None:
        return {"period": USUAL, "first": "", "last": ""}
    days = str(round((last.until - last.since) / DAY))
    first, end = (datetime.fromtimestamp(moment / 1000, frame.show.zone) for moment in (last.since, last.until - 1))
    period = days if days in dict(PERIODS) and abs(last.until - last.started_at) < DAY / 24 else "custom"
    return {"period": period, "first": first.date().isoformat(), "last": end.date().isoformat()}


def _progress(frame: Frame, running: Preview, topic: PreviewTopic) -> ProgressBar:
    show, left = frame.show, running.seconds_left
    if not running.total:
        return ProgressBar(running.id, topic.running, None, "Finding the decisions of the period.")
    detail = f"{show.number(running.done)} of {show.count(running.total, 'decision')}"
    if left is not None:
        detail += f", about {show.count(max(1, round(left)), 'second')} left"
    return ProgressBar(running.id, topic.running, running.done / running.total, f"{detail}.")


def _ended(last: Preview) -> str:
    if last.state == "failed":
        return f"The preview failed: {last.problem}."
    return ENDS.get(last.state, "")
