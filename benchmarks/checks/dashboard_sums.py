"""Compare every number of the overview with the fold and with SQL: `python -m benchmarks.verify dashboard-sums`.

A small version is tests/engine/test_engine_metric_hours.py.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from benchmarks.checks.metric_counts import Counted, LogCounter, differences
from benchmarks.checks.metric_shop import PLACEMENT, Trade, logged_in, opened, tap2, trade
from benchmarks.process import TAP2, Server, free_port
from engine.clock import now_ms
from engine.model.timestamps import HOUR, rfc3339
from engine.service import SQLITE_FILE

DECISIONS, DAYS = 100_000, 28
STARTS_WITHIN = 300.0
PARTS = ("device", "country", "visit")
PERSONALIZED, HELD_BACK = "personalized", "not_personalized"
RATIOS = {
    "conversion": ("converted", "decisions"),
    "revenue": ("revenue", "decisions"),
    "margin": ("margin", "decisions"),
    "checkout_time": ("time_ms", "timed"),
    "order_value": ("revenue", "converted"),
}
ON_PAGE = ("conversion", "revenue", "margin", "checkout_time")
STEPS = {"Checkouts": "decisions", "Shown": "shown", "Selected": "selected", "Purchased": "converted"}


def figures(decisions: int = DECISIONS) -> Iterator[tuple[str, ...]]:
    """Yield (what, goal, measured)."""
    with tempfile.TemporaryDirectory(prefix="tap2-sums-") as name:
        folder = Path(name)
        key = asyncio.run(_trade(folder, decisions))
        counter = LogCounter(folder / SQLITE_FILE)
        yield (f"{decisions:,} decisions in {DAYS} days: reports by type", "", _in_words(counter.types()))
        for state in ("as kept", "after a rebuild"):
            if state == "after a rebuild":
                _rebuild(folder)
            with Server((*TAP2, "serve"), folder, free_port(), {}, starts_within=STARTS_WITHIN) as server:
                yield _row(f"{state}: API against SQL", counted_for_api(counter), shown_by_api(server.port, key))
                shown = shown_on_page(server.port)
                zone = ZoneInfo(shown.pop("timezone"))
                yield _row(f"{state}: page against SQL", counted_for_page(counter, zone), shown)
            checked = json.loads(tap2(folder, "beliefs", "rebuild", "--check"))
            yield f"{state}: fold against log, sums that differ", "0", str(len(checked["differences"]))
        counter.close()


async def _trade(folder: Path, decisions: int) -> str:
    async with opened(folder) as shop:
        await trade(shop, Trade(decisions, DAYS, now_ms()), seed=16)
        return shop.key


def counted_for_api(counter: LogCounter) -> dict[str, Any]:
    """Return what the API must answer."""
    hours = {rfc3339(int(hour) * HOUR): sums for hour, sums in counter.by("hour").items()}
    parts = {name: counter.by(name) for name in PARTS}
    parts |= {"candidate": counter.by_candidate(), "currency": counter.by_currency()}
    return {"sums": counter.by("''")[""], "hours": hours, "parts": parts, "lifts": _lifts(counter.by("arm"))}


def shown_by_api(port: int, key: str) -> dict[str, Any]:
    """Return what the API answers."""
    path = f"http://127.0.0.1:{port}/v1/placements/{PLACEMENT}/metrics"
    answer = httpx.get(path, headers={"authorization": f"Bearer {key}"}, timeout=60).raise_for_status().json()
    ends = ("low", "high", "difference")
    lifts = {
        metric: {name: value for name, value in (lift or {}).items() if name not in ends}
        for metric, lift in answer["lifts"].items()
    }
    hours = {each["hour"]: each["sums"] for each in answer["hours"]}
    return {"sums": answer["sums"], "hours": hours, "parts": answer["parts"], "lifts": lifts}


def counted_for_page(counter: LogCounter, zone: ZoneInfo) -> dict[str, Any]:
    """Return what the page must show of cards, steps, days of a time zone, methods and segments."""
    sums = counter.by("''")[""]
    cards = {metric: sums[metric] if metric in sums else _ratio(sums, metric) for metric in ON_PAGE}
    methods = {
        id: {"purchases": each["converted"], "revenue": each["revenue"], "first_places": each["decisions"]}
        for id, each in counter.by_candidate().items()
    }
    return {
        "decisions": sums["decisions"],
        "cards": cards,
        "steps": {step: sums[name] for step, name in STEPS.items()},
        "days": _by_day(counter, zone),
        "methods": methods,
        "segments": sorted(each["decisions"] for part in PARTS for each in counter.by(part).values()),
    }


def shown_on_page(port: int) -> dict[str, Any]:
    """Return what the page shows as data: the file is made by the functions of the page."""
    with logged_in(port) as browser:
        report = browser.get("/admin/live/dashboard/detailed.json").raise_for_status().json()
    return {
        "timezone": report["timezone"],
        "decisions": report["decisions"],
        "cards": {each["metric"]: each["value"] for each in report["figures"]},
        "steps": {each["name"]: each["count"] for each in report["steps"]},
        "days": {each["name"]: each["sums"] for each in report["spans"]},
        "methods": {
            each["id"]: {name: each[name] for name in ("purchases", "revenue", "first_places")}
            for each in report["methods"]
        },
        "segments": sorted(each["decisions"] for each in report["segments"]),
    }


def _by_day(counter: LogCounter, zone: ZoneInfo) -> Counted:
    """Return the sums by the day of a time zone."""
    days: Counted = {}
    for hour, sums in counter.by("hour").items():
        day = days.setdefault(datetime.fromtimestamp(int(hour) * 3600, zone).date().isoformat(), {})
        for name, value in sums.items():
            day[name] = day.get(name, 0) + value
    return days


def _lifts(arms: Counted) -> dict[str, Any]:
    """Return both sides of each metric's comparison."""
    ours, theirs = arms[PERSONALIZED], arms[HELD_BACK]
    return {
        metric: {
            "personalized": _ratio(ours, metric),
            "held_back": _ratio(theirs, metric),
            "decisions": ours["decisions"],
            "held_back_decisions": theirs["decisions"],
        }
        for metric in RATIOS
    }


def _ratio(sums: Mapping[str, int], metric: str) -> float:
    above, below = RATIOS[metric]
    return sums[above] / sums[below]


def _row(what: str, counted: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[str, str, str]:
    compared, differing = differences(counted, shown)
    return f"{what}: numbers that differ", "0", f"{differing} of {compared:,}"


def _in_words(types: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {type}" for type, count in types.items())


def _rebuild(folder: Path) -> None:
    """Delete all sums of metrics, and have them made from the log."""
    with sqlite3.connect(folder / SQLITE_FILE) as connection:
        connection.execute("DELETE FROM metric_hours")
    tap2(folder, "beliefs", "rebuild")
