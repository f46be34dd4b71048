"""Candidates that the merchant's own systems report as unavailable, and the button that ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.errors import NotFound
from engine.model.facts import REPORTED
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import sentence
from web.admin.shell.frame import Frame, Notice
from web.charts.candidate_names import CandidateNames


@dataclass(frozen=True)
class UnavailableNote:
    """A candidate that no answer shows, and why."""

    id: str
    label: str
    reason: str

    @property
    def text(self) -> str:
        """Return a sentence, as plain text."""
        return f"{self.label} is {self.reason}. No answer shows it."


def unavailable_notes(frame: Frame, key: str, names: CandidateNames) -> Sequence[UnavailableNote]:
    """Say what no answer of a placement shows because it is reported as unavailable."""
    active = frame.engine.live.get(frame.merchant.id, key)
    reasons = active.availability_facts.get(REPORTED, {}) if active else {}
    return [UnavailableNote(id, names[id], reason) for id, reason in reasons.items()]


@post("/placements/{key:str}/candidates/{id:str}/available", status_code=200)
async def end_unavailability(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Make a candidate available again, whatever was reported."""
    frame.must_edit()
    await typed(request)
    try:
        await frame.engine.availability.end(frame.actor, key, id)
        notice = Notice("It is available again.")
    except NotFound as error:
        notice = Notice(sentence(error.detail))
    return frame.go(f"{frame.base}/placements/{key}", notice=notice)


handlers: list[Any] = [end_unavailability]
