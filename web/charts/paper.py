"""Charts as SVG pictures for paper, drawn on the server from the same specifications as on pages."""

from __future__ import annotations

import vl_convert

from web.charts.candidate_charts import Spec

COLOURS = ("#1f98e5", "#9d7d0d", "#02724e", "#6633d3", "#b5649e", "#063c85", "#702e0e", "#383d49")
"""The candidates' colours on light ground, those of `admin.css`."""
WIDTH = 520
VEGA_LITE = "6.1"

_TEXT, _GRID = "#5d6678", "#e8ebf0"


def svg_of(spec: Spec) -> str:
    """Return a chart as SVG; nothing is loaded from elsewhere."""
    fixed = {name: value for name, value in spec.items() if name not in ("autosize", "usermeta")}
    quiet = {"labelColor": _TEXT, "titleColor": _TEXT, "gridColor": _GRID, "domain": False, "ticks": False}
    config = {
        "background": "transparent",
        "range": {"category": [*COLOURS, _TEXT]},
        "axis": quiet,
        "view": {"stroke": None},
    }
    return vl_convert.vegalite_to_svg(
        {**fixed, "width": WIDTH},
        vl_version=VEGA_LITE,
        config=config,
        format_locale=spec["usermeta"]["numbers"],
        allowed_base_urls=[],
    )
