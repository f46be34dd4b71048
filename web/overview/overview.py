"""The overview of a placement: which one, over which time, and its sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.configuration.configuration import Configuration
from engine.metrics.dashboard import Dashboard
from engine.model.errors import NotFound
from engine.model.placement import Placement
from engine.model.timestamps import DAY
from engine.statistics.metric_totals import MetricTotals
from web.charts.candidate_charts import unique_names
from web.charts.candidate_names import CandidateNames
from web.overview.period import MOST_DAYS, OverviewPeriod
from web.reader import FigureReader


@dataclass(frozen=True)
class Overview:
    """A placement over a period, as somebody reads it."""

    reader: FigureReader
    configuration: Configuration
    placement: Placement
    period: OverviewPeriod

    @property
    def names(self) -> CandidateNames:
        """Return labels and colours of the candidates."""
        candidates = self.configuration.documents("candidate", self.placement.key)
        labels = unique_names({candidate.id: candidate.label for candidate in candidates})
        return CandidateNames(labels, self.configuration.colours(self.placement.key))

    async def dashboard(self) -> Dashboard:
        """Read the sums of the period."""
        reader, span = self.reader, self.period.span
        return await reader.engine.dashboards.of(reader.merchant.id, self.placement.key, span)


async def overview_of(
    reader: FigureReader, configuration: Configuration, parameters: Mapping[str, Any]
) -> Overview | None:
    """Return what is asked for: its placement, else the busiest one; None where there is no placement.

    Raise `NotFound` for a placement that does not exist.
    """
    period = OverviewPeriod.of(parameters, reader.show)
    placements = {placement.key: placement for placement in configuration.placements}
    if period.placement and period.placement not in placements:
        raise NotFound(f"there is no placement “{period.placement}”", field="placement")
    if not placements:
        return None
    key = period.placement or next(iter(await busiest(reader, configuration)), usual_placement(placements))
    return Overview(reader, configuration, placements[key], period)


async def busiest(reader: FigureReader, configuration: Configuration) -> dict[str, MetricTotals]:
    """Return the sums of all placements, the busiest first."""
    keys = [placement.key for placement in configuration.placements]
    since = reader.show.now - MOST_DAYS * DAY
    return await reader.engine.dashboards.by_placement(reader.merchant.id, keys, since=since)


def usual_placement(placements: Mapping[str, object]) -> str:
    """Return the key of the placement to begin with before there are decisions; empty where there is none."""
    return "payment_methods" if "payment_methods" in placements else next(iter(placements), "")
