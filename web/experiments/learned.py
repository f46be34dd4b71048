"""What was learned from an experiment that has ended, in sentences to keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.experiments.comparisons import MetricComparison
from engine.experiments.results import Results
from engine.model.experiment import Experiment, State
from web.experiments.experiment_words import METRICS, lift_text, name_of, value_text
from web.experiments.segments_view import SegmentRow
from web.format import Show

ENDED: tuple[State, ...] = ("stopped", "concluded", "archived")


def learned_texts(
    document: Experiment, results: Results, segments: Sequence[SegmentRow], show: Show, currency: str
) -> list[str]:
    """Return what was learned, the metric that decides first; nothing before the end."""
    if document.status.state not in ENDED:
        return []
    primary = [each for each in results.comparisons if each.metric == document.primary]
    texts = [_compared(document, each, show, currency) for each in primary]
    others = [each for each in results.comparisons if each.metric != document.primary and _differs(each)]
    texts += [
        f"{METRICS[each.metric]}, {name_of(document, each.variant)}: {lift_text(each.low, each.high, show)}."
        for each in others
    ]
    gains = {each.variant: (each.lift or 0.0) > 0 for each in primary if _differs(each)}
    return [*texts, *_in_segments(document, segments, gains)]


def _compared(document: Experiment, each: MetricComparison, show: Show, currency: str) -> str:
    name, metric = name_of(document, each.variant), METRICS[each.metric].lower()
    values = [value_text(each.metric, value, show, currency) for value in (each.value, each.control_value)]
    if not each.is_ready:
        return f"{name}: too few customers to say anything of {metric}."
    interval = lift_text(each.low, each.high, show)
    verdict = "" if _differs(each) else " No difference was shown."
    return f"{name}: {interval} {metric} ({values[0]} beside {values[1]}).{verdict}"


def _differs(each: MetricComparison) -> bool:
    return each.is_ready and each.low is not None and each.high is not None and (each.low > 0 or each.high < 0)


def _in_segments(document: Experiment, segments: Sequence[SegmentRow], overall: Mapping[str, bool]) -> Iterator[str]:
    """Yield the segments in which a variant differs otherwise than over all customers."""
    for row in segments:
        for variant, lift in zip(document.variants[1:], row.lifts, strict=True):
            if lift.differs and overall.get(variant.id) is not lift.is_gain:
                yield f"{row.name}, {variant.name}: {lift.text}. Test it in an experiment of its own."
