"""What happened to a placement: versions published, jumps of rates, outages of candidates."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model.timestamps import DAY
from web.admin.shell.frame import Frame
from web.charts.candidate_charts import ChartEvent
from web.charts.candidate_names import CandidateNames

MOST_VERSIONS = 50


async def events_of(frame: Frame, key: str, names: CandidateNames, *, since: int) -> Sequence[ChartEvent]:
    """Return what happened since an instant (epoch milliseconds), the oldest first."""
    engine, merchant_id = frame.engine, frame.merchant.id
    events = [
        ChartEvent(
            moment=version.published_at,
            mark=f"v{version.version}",
            text=f"Version {version.version}" + (f": {version.reason}" if version.reason else " was published"),
        )
        for version in await engine.versions.page(merchant_id, key, limit=MOST_VERSIONS)
    ]
    for jump in await engine.insights.jumps(merchant_id, key):
        rates = f"from {frame.show.percent(jump.before)} to {frame.show.percent(jump.after)}"
        text = f"{names[jump.candidate]} jumped {rates}"
        events.append(ChartEvent(moment=jump.day * DAY, mark="jump", text=text))
    for past in await engine.events.past_outages(merchant_id, key, since=since):
        length = frame.show.length(past.until - past.since)
        events.append(ChartEvent(moment=past.since, mark="down", text=f"{names[past.candidate]} was down for {length}"))
    for outage in engine.live.outages(merchant_id, key):
        text = f"{names[outage.candidate]} seems to be down"
        events.append(ChartEvent(moment=outage.since, mark="down", text=text))
    return sorted((event for event in events if event.moment >= since), key=lambda event: event.moment)
