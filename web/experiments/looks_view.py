"""The stored looks at an experiment in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.experiments.looks.stored import StoredLook
from engine.experiments.results import ExperimentVerdict
from engine.model.experiment import Experiment
from web.experiments.experiment_words import METRICS, lift_text, name_of
from web.format import Show


class Shown(NamedTuple):
    """The phase whose results are shown, 0 for the last one, and the stored look, 0 for the results now."""

    phase: int = 0
    look: int = 0


NOW = Shown()


@dataclass(frozen=True)
class LookLine:
    """A stored look: its number in the phase, its moment, how many outcomes were in, and what it said."""

    number: int
    moment: str
    matured: str
    verdict: str


def look_lines(document: Experiment, looks: Sequence[StoredLook], show: Show) -> list[LookLine]:
    """Return the looks, the latest first."""
    return [
        LookLine(
            look.number,
            show.moment(look.as_of),
            show.percent(look.matured_share, digits=0),
            verdict_words(document, look.verdict, show),
        )
        for look in reversed(looks)
    ]


def verdict_words(document: Experiment, verdict: ExperimentVerdict, show: Show) -> str:
    """Return what a look said, without what to do."""
    name = name_of(document, verdict.variant)
    interval = f"{lift_text(verdict.low, verdict.high, show)} {METRICS[document.primary].lower()}"
    match verdict.kind:
        case "better":
            return f"{name} was better: {interval}"
        case "worse":
            text = f"{name} was worse" if len(document.variants) == 2 else f"All others were worse; the best, {name}"
            return f"{text}: {interval}"
        case "no_difference":
            return f"No difference above {show.percent(document.minimum_effect_percent / 100)}; {name}: {interval}"
        case "keep_going" if verdict.lift is not None:
            return f"No verdict yet; {name}: {interval}"
        case "mismatch":
            return "The split did not hold"
        case "guardrail":
            return f"{name} lost more than a guardrail tolerates"
        case _:
            return "Too little to compare"


def at_end(document: Experiment, looks: Sequence[StoredLook], now: ExperimentVerdict, show: Show) -> str:
    """Return what the look at the end said where it differs from the verdict now; else an empty text."""
    ended = document.status.ended_at
    first = next((look for look in looks if ended is not None and look.as_of >= ended), None)
    if first is None:
        return ""
    first_words = verdict_words(document, first.verdict, show)
    if first_words == verdict_words(document, now, show):
        return ""
    return f"The look at the end, on {show.day(first.as_of)}, said: {first_words}. Later outcomes changed it."
