"""Write the curves of a simulation as one HTML page with Vega inside, which needs no network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from simulation.runner import moments
from simulation.scenario import SimulationScenario
from simulation.summary import average
from simulation.worlds.world import Floats
from web.charts.candidate_charts import SCHEMA

VENDOR = Path(__file__).parents[2] / "static" / "vendor"
SCRIPTS = ("vega.min.js", "vega-lite.min.js")

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font: 16px system-ui, sans-serif; margin: 2rem; }}</style></head>
<body><h1>{title}</h1>
<p>Regret summed up over the visits: the expected loss of each policy compared with the best choice. The mean
of {seeds} seeds, with its 95% interval.</p>
<div id="chart"></div>
{scripts}
<script>new vega.View(vega.parse(vegaLite.compile({spec}).spec)).initialize("#chart").hover().run();</script>
</body></html>
"""


class NoAssets(Exception):
    """The scripts of the charts are not installed."""


def page(scenario: SimulationScenario, curves: Sequence[Floats]) -> str:
    """Return the page; raise `NoAssets` where the charts' scripts are not installed."""
    missing = [name for name in SCRIPTS if not (VENDOR / name).exists()]
    if missing:
        raise NoAssets(f"{missing[0]} is missing; `make run` fetches it")
    scripts = "\n".join(f"<script>{(VENDOR / name).read_text()}</script>" for name in SCRIPTS)
    # A name in the scenario must not end the script that it stands in.
    spec = json.dumps(specification(scenario, curves)).replace("<", "\\u003c")
    return PAGE.format(title=escape(scenario.name), seeds=scenario.seeds, scripts=scripts, spec=spec)


def specification(scenario: SimulationScenario, curves: Sequence[Floats]) -> dict[str, Any]:
    """Return the Vega-Lite chart: a line for each policy with its 95% interval."""
    x = {"field": "visits", "type": "quantitative", "title": "visits"}
    colour = {"field": "policy", "type": "nominal", "title": None, "sort": None}
    y = {"type": "quantitative", "title": "regret"}
    tooltip = [{"field": "policy"}, {"field": "visits", "format": ","}, {"field": "regret", "format": ",.1f"}]
    band = {"x": x, "color": colour, "y": y | {"field": "low"}, "y2": {"field": "high"}}
    line = {"x": x, "color": colour, "y": y | {"field": "regret"}, "tooltip": tooltip}
    return {
        "$schema": SCHEMA,
        "width": 800,
        "height": 420,
        "data": {"values": list(_rows(scenario, curves))},
        "layer": [
            {"mark": {"type": "area", "opacity": 0.2}, "encoding": band},
            {"mark": {"type": "line", "point": {"size": 40, "opacity": 0}}, "encoding": line},
        ],
    }


def _rows(scenario: SimulationScenario, curves: Sequence[Floats]) -> Iterator[dict[str, Any]]:
    for name, curve in zip(scenario.titles(), curves, strict=True):
        for visits, values in zip(moments(scenario.horizon).tolist(), curve.T, strict=True):
            mean, low, high = average(values)
            yield {"policy": name, "visits": visits, "regret": mean, "low": low, "high": high}
