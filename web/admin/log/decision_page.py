"""The page that explains one answer, and replays it."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.errors import NotFound
from web.admin.log.explanation import Explanation
from web.admin.shell.frame import Frame
from web.admin.shell.json_text import pretty
from web.admin.shell.render import Page


@dataclass(frozen=True)
class ReplayFragment:
    """The result of a replay: the two texts where they differ, the reason where it could not be tried."""

    same: bool
    problem: str
    logged: str
    replayed: str


@get("/decisions/{decision_id:str}")
async def decision_page(frame: NamedDependency[Frame], decision_id: FromPath[str]) -> Page:
    """Show everything about one decision."""
    explained = await frame.engine.logbook.explain(frame.merchant.id, decision_id, frame.wording)
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    positions = configuration.colours(explained.row.placement)
    return frame.page("log/decision.html", Explanation(frame, explained, positions).page())


@post("/decisions/{decision_id:str}/replay", status_code=200)
async def replay_decision(frame: NamedDependency[Frame], decision_id: FromPath[str]) -> Page:
    """Make the answer again from its row and compare every byte."""
    await frame.engine.logbook.get(frame.merchant.id, decision_id)
    try:
        replay = await frame.engine.logbook.replay(frame.merchant.id, decision_id)
    except NotFound as gone:
        return frame.page("log/_replay.html", ReplayFragment(False, gone.detail, "", ""))
    logged, replayed = pretty(replay.logged), pretty(replay.replayed)
    return frame.page("log/_replay.html", ReplayFragment(replay.same, "", logged, replayed))


handlers = [decision_page, replay_decision]
