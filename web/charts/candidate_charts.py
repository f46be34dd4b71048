"""Charts as Vega-Lite specifications, built here and drawn in the browser or on paper from the same document.

Colours and fonts are the theme's and stand in the page's style sheet; a candidate's colour follows from its number
(`engine.model.documents.colours`), so it is the same on every page, for good.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from web.format import Show

COLOURS = 8
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
LABEL_GAP = 0.065
FEW_MOMENTS = 12
MINUTE = 60_000
MINUTES_A_DAY = 1440
MINUTE_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)
MOST_LABELS = 7
MOST_LINES = 10
OTHERS = "others"
"""The colour of what is added up: a grey of the theme."""
MOST_END_LABELS = 14
ROW_HEIGHT = 30
EVENT_GAP = 0.07
"""Labels of events that are closer, as a share of the time between the first and the last, are left out."""
END_LABEL = {"type": "text", "align": "left", "dx": 8, "fontWeight": 600, "limit": 130}
"""The mark of a line's name behind its end, where no line can run through it."""

Spec = dict[str, Any]


class ArmEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """The current belief about a candidate's reward rate; `mean`, `low` and `high` are shares of 0 to 1."""

    label: str
    colour: int
    mean: float
    low: float
    high: float


class ArmShare(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate's share of first places: (epoch milliseconds, share of 0 to 1), oldest first.

    `colour` is the candidate's number, None for several candidates together.
    """

    label: str
    colour: int | None
    points: Sequence[tuple[int, float]]


class ChartEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened at a time (epoch milliseconds); `mark` is its short label in a chart."""

    moment: int
    mark: str
    text: str


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """The change of a candidate's share; `before` and `after` are shares of 0 to 1."""

    label: str
    position: int
    before: float
    after: float


def colour_of(number: int) -> int:
    """Return the colour (1 to 8) of a candidate's number, the same on every page and for good."""
    return number % COLOURS + 1


def colour_name(number: int | None) -> str:
    return OTHERS if number is None else str(colour_of(number))


def unique_names(labels: Mapping[str, str]) -> dict[str, str]:
    """Return a name for each candidate by id: its label, and its id too where several share the label."""
    counts = Counter(labels.values())
    return {id: label if counts[label] == 1 else f"{label} ({id})" for id, label in labels.items()}


def estimates(arms: Sequence[ArmEstimate], *, show: Show, measure: str) -> Spec:
    """Chart a dot and its 95% interval for each candidate, in the placement's own order."""
    rows = [_estimate_row(arm, show) for arm in arms]
    y = {"field": "candidate", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 180}}
    x_scale = {"zero": True, "nice": True}
    x = {"type": "quantitative", "title": measure, "axis": percent_axis(), "scale": x_scale}
    tooltip = [tip("candidate", "Candidate"), tip("mean_text", measure), tip("range_text", "95% interval")]
    base = {"color": colour(), "tooltip": tooltip, "y": y}
    return spec_of(
        rows,
        height=ROW_HEIGHT * max(1, len(rows)),
        show=show,
        layer=[
            _layer({"type": "rule", "strokeWidth": 3, "opacity": 0.45}, base, x | {"field": "low"}, x2="high"),
            _layer({"type": "point", "filled": True, "size": 90, "opacity": 1}, base, x | {"field": "mean"}),
        ],
    )


def with_others(arms: Sequence[ArmShare], *, most: int = MOST_LINES) -> list[ArmShare]:
    """Return at most `most` lines: those with the largest shares in their order, the rest added up to a grey one."""
    if len(arms) <= most:
        return list(arms)
    ranked = sorted(arms, key=lambda arm: -sum(share for _, share in arm.points))
    shown, rest = ranked[: most - 1], ranked[most - 1 :]
    sums: Counter[int] = Counter()
    for arm in rest:
        for moment, share in arm.points:
            sums[moment] += share  # type: ignore[assignment]
    others = ArmShare(label=f"{len(rest)} others", colour=None, points=sorted(sums.items()))
    return [*(arm for arm in arms if arm in shown), others]


def shares(
    arms: Sequence[ArmShare],
    *,
    show: Show,
    events: Sequence[ChartEvent] = (),
    subject: str = "Candidate",
    in_words: Callable[[int], str] | None = None,
) -> Spec:
    """Chart how often each candidate came first, as lines with labels at their ends, and what happened meanwhile.

    `subject` says what the lines are about, and `in_words` writes their times (by default the time of day).
    """
    rows = [
        _share_row(arm, moment, share, show, in_words or show.clock) for arm in arms for moment, share in arm.points
    ]
    top = top_of(share for arm in arms for _, share in arm.points)
    moments = max((len(arm.points) for arm in arms), default=0)
    x = {
        "field": "at",
        "type": "temporal",
        "title": show.timezone,
        "axis": _time_axis(arms, show),
        "scale": {"type": "utc"},
    }
    y = {"type": "quantitative", "title": None, "axis": percent_axis(), "scale": {"domain": [0, top], "nice": False}}
    tooltip = [tip("candidate", subject), tip("at_text", "Time"), tip("share_text", "Share")]
    lines = {"x": x, "y": y | {"field": "share"}, "color": colour(), "detail": {"field": "candidate"}}
    dots = {"type": "point", "filled": True, "size": 30, "opacity": 1 if moments < FEW_MOMENTS else 0}
    labels = lines | {"y": y | {"field": "label_at"}, "text": {"field": "candidate"}}
    return spec_of(
        rows,
        height=260,
        show=show,
        layer=[
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": lines},
            {"mark": dots, "encoding": lines},
            {"mark": {"type": "point", "size": 160, "opacity": 0}, "encoding": lines | {"tooltip": tooltip}},
            {"mark": END_LABEL, "encoding": labels, "data": {"values": end_labels(arms, top, clock=show.wall_clock)}},
            *event_marks(events, x, show=show),
        ],
    )


def event_marks(events: Sequence[ChartEvent], x: Spec, *, show: Show) -> list[Spec]:
    """Return the layers that mark when something happened: a dashed line with a short label above it."""
    if not events:
        return []
    rows: list[Spec] = [
        {
            "at": show.wall_clock(event.moment),
            "mark": event.mark,
            "text": event.text,
            "at_text": show.moment(event.moment),
        }
        for event in events
    ]
    first, last = rows[0]["at"], rows[-1]["at"]
    gap, labelled = max(1, (last - first) * EVENT_GAP), list[Spec]()
    for row in rows:
        if not labelled or row["at"] - labelled[-1]["at"] >= gap:
            labelled.append(row)
    tooltip = [tip("at_text", "Time"), tip("text", "What happened")]
    base = {"x": x, "tooltip": tooltip}
    return [
        {"mark": {"type": "rule", "strokeDash": [3, 3], "opacity": 0.5}, "encoding": base, "data": {"values": rows}},
        {"mark": {"type": "rule", "strokeWidth": 9, "opacity": 0}, "encoding": base, "data": {"values": rows}},
        {
            "mark": {"type": "text", "align": "center", "dy": -6, "fontSize": 11, "baseline": "bottom"},
            "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "mark"}},
            "data": {"values": labelled},
        },
    ]


def moves(arms: Sequence[Move], *, show: Show, measure: str) -> Spec:
    """Chart the change from an empty dot to a full one for each candidate, in the placement's own order."""
    rows = [_move_row(arm, show) for arm in arms]
    y = {"field": "candidate", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 180}}
    x = {"type": "quantitative", "title": measure, "axis": percent_axis(), "scale": {"zero": True, "nice": True}}
    tooltip = [tip("candidate", "Candidate"), tip("before_text", "Was"), tip("after_text", "Would be")]
    base = {"color": colour(), "tooltip": tooltip, "y": y}
    dot = {"type": "point", "size": 90, "opacity": 1, "strokeWidth": 2}
    return spec_of(
        rows,
        height=ROW_HEIGHT * max(1, len(rows)),
        show=show,
        layer=[
            _layer({"type": "rule", "strokeWidth": 3, "opacity": 0.45}, base, x | {"field": "before"}, x2="after"),
            _layer(dot | {"filled": False}, base, x | {"field": "before"}),
            _layer(dot | {"filled": True}, base, x | {"field": "after"}),
        ],
    )


def spread(values: Sequence[float], *, gap: float, top: float = 1.0, bottom: float | None = None) -> list[float]:
    """Move values as little as needed so that no two are closer than `gap`; keep their order, below `top`.

    None falls below `bottom` where there is room for all above it.
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    placed = list(values)
    for below, index in pairwise(order):
        placed[index] = max(placed[index], placed[below] + gap)
    ceiling = top
    for index in reversed(order):
        placed[index] = min(placed[index], ceiling)
        ceiling = placed[index] - gap
    if bottom is not None and bottom + gap * (len(values) - 1) <= top:
        floor = bottom
        for index in order:
            placed[index] = max(placed[index], floor)
            floor = placed[index] + gap
    return placed


def top_of(values: Iterable[float]) -> float:
    """Return the end of the axis: the next whole tenth, so that it seldom changes while the page is open."""
    return min(1.0, math.ceil(max(values, default=1.0) * 10) / 10)


def _estimate_row(arm: ArmEstimate, show: Show) -> dict[str, Any]:
    return {
        "candidate": arm.label,
        "colour": colour_name(arm.colour),
        "mean": arm.mean,
        "low": arm.low,
        "high": arm.high,
        "mean_text": show.percent(arm.mean),
        "range_text": show.interval(arm.low, arm.high),
    }


def _move_row(arm: Move, show: Show) -> dict[str, Any]:
    return {
        "candidate": arm.label,
        "colour": str(colour_of(arm.position)),
        "before": arm.before,
        "after": arm.after,
        "before_text": show.percent(arm.before),
        "after_text": show.percent(arm.after),
    }


def _share_row(arm: ArmShare, moment: int, share: float, show: Show, in_words: Callable[[int], str]) -> dict[str, Any]:
    return {
        "candidate": arm.label,
        "colour": colour_name(arm.colour),
        "at": show.wall_clock(moment),
        "share": share,
        "at_text": in_words(moment),
        "share_text": show.percent(share),
    }


def end_labels(arms: Sequence[ArmShare], top: float, *, clock: Callable[[int], int]) -> list[dict[str, Any]]:
    """Label each line behind the end of the chart without overlaps; `clock` maps a time to its position on the axis.

    A line that ends earlier is labelled there too, where no other line runs through its label.
    """
    by_share = sorted((arm for arm in arms if arm.points), key=lambda arm: -arm.points[-1][1])
    drawn = by_share[:MOST_END_LABELS]
    heights = spread([arm.points[-1][1] for arm in drawn], gap=LABEL_GAP * top, top=top, bottom=0.0)
    end = clock(max((arm.points[-1][0] for arm in drawn), default=0))
    return [
        {"candidate": arm.label, "colour": colour_name(arm.colour), "label_at": height, "at": end}
        for arm, height in zip(drawn, heights, strict=True)
    ]


def spec_of(rows: list[dict[str, Any]], *, show: Show, layer: list[Any], **options: Any) -> Spec:
    return {
        "$schema": SCHEMA,
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "layer": layer,
        "usermeta": {"numbers": _number_locale(show)},
        **options,
    }


def _layer(mark: dict[str, Any], base: dict[str, Any], x: dict[str, Any], x2: str | None = None) -> Spec:
    encoding = base | {"x": x}
    return {"mark": mark, "encoding": encoding | {"x2": {"field": x2}} if x2 else encoding}


def colour() -> Spec:
    domain = [*(str(number) for number in range(1, COLOURS + 1)), OTHERS]
    return {"field": "colour", "type": "nominal", "scale": {"domain": domain}, "legend": None}


def percent_axis() -> Spec:
    return {"format": "~%", "tickCount": 5}


def _time_axis(arms: Sequence[ArmShare], show: Show) -> Spec:
    """Return at most seven labels at whole minutes; over more than two days, days."""
    times = [show.wall_clock(moment) // MINUTE for arm in arms for moment, _ in arm.points]
    first, last = min(times, default=0), max(times, default=0)
    if last - first > 2 * MINUTES_A_DAY:
        return {
            "format": "%d %b",
            "tickCount": MOST_LABELS,
            "labelFlush": False,
            "labelOverlap": "greedy",
            "labelSeparation": 8,
        }
    step = next((step for step in MINUTE_STEPS if (last - first) / step < MOST_LABELS), MINUTE_STEPS[-1])
    start = math.ceil(first / step) * step
    # As an expression: plain values become datetime(ms), which Vega's interpreter takes for a year.
    values = {"expr": str([minute * MINUTE for minute in range(start, last + 1, step)])}
    return {"format": "%H:%M", "values": values, "labelFlush": False}


def tip(field: str, title: str) -> Spec:
    return {"field": field, "type": "nominal", "title": title}


def _number_locale(show: Show) -> Spec:
    # d3's own description of a locale's figures; https://d3js.org/d3-format#formatLocale
    symbols = show.locale.number_symbols["latn"]
    return {
        "decimal": symbols["decimal"],
        "thousands": symbols["group"],
        "grouping": [3],
        "currency": ["", ""],
    }
