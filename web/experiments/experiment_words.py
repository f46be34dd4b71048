"""What the pages call the parts of an experiment, and the sentence that sums up its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.experiments.comparisons import GuardrailState, MetricComparison, least_events
from engine.experiments.results import ExperimentVerdict, Results
from engine.model.documents.metric import METRICS as METRIC_KINDS
from engine.model.documents.metric import MetricName
from engine.model.experiment import Allocation, Experiment, LearningMode, Method, State, Unit
from engine.model.timestamps import DAY, ms_of
from web.format import NOTHING, Show

STATES: Mapping[State, tuple[str, str]] = {
    "draft": ("Draft", "plain"),
    "in_review": ("Waits for approval", "info"),
    "approved": ("Approved", "info"),
    "running": ("Running", "good"),
    "paused": ("Paused", "warn"),
    "stopped": ("Stopped", "bad"),
    "concluded": ("Concluded", "plain"),
    "archived": ("Archived", "plain"),
}
"""The word for each state, with the kind of its badge."""
SCHEDULED = ("Scheduled", "info")
"""An approved experiment that starts by itself."""
METRICS: Mapping[MetricName, str] = {
    "conversion": "Conversion",
    "orders": "Purchases",
    "revenue": "Revenue",
    "order_value": "Order value",
    "margin": "Margin",
    "checkout_time": "Checkout time",
    "redemption": "Redemption",
    "shown": "Shown",
    "selected": "Chosen",
    "declined": "Declined",
    "abandoned": "Abandoned",
    "refunded": "Refunded",
}
MAIN_METRICS = tuple(METRICS)[:7]
"""Others are shares of units with an outcome of a type."""
UNITS: Mapping[Unit, tuple[str, str]] = {
    "customer": ("customer", "customers"),
    "device": ("device", "devices"),
    "decision": ("decision", "decisions"),
}
LEARNING: Mapping[LearningMode, tuple[str, str]] = {
    "apart": (
        "Each variant apart",
        "Each variant learns from its own customers, from what was known at the start on. Fair to compare.",
    ),
    "shared": (
        "All together",
        "All learn from all. A variant that tries less gains from what the others find out.",
    ),
    "control_only": (
        "From the control only",
        "Only the control and those outside the experiment teach, so no variant changes what is learned.",
    ),
}
"""What each way to learn is called, and what it means."""
ALLOCATIONS: Mapping[Allocation, tuple[str, str]] = {
    "fixed": ("By the weights", "Each variant keeps its share until the end."),
    "bandit": (
        "Towards the best",
        "Each hour more new customers get the variants that are probably the best. It ends by itself once one has won.",
    ),
}
"""What each way to share customers is called, and what it means."""
PER: Mapping[MetricName, str] = {
    "conversion": "Share of {units} with a purchase",
    "orders": "Purchases a {unit}",
    "revenue": "Amount a {unit}, refunds taken off",
    "order_value": "Amount a purchase",
    "margin": "Amount a {unit} that you keep after cost, fees and discounts",
    "checkout_time": "Time from shown to bought, of checkouts that end in a purchase; less is better",
    "redemption": "Share of {units} who redeemed an offer",
    "shown": "Share of {units} who were shown the answer",
    "selected": "Share of {units} with a choice",
    "declined": "Share of {units} with a declined payment; less is better",
    "abandoned": "Share of {units} who left a checkout; less is better",
    "refunded": "Share of {units} with a refund; less is better",
}
EVENTS: Mapping[MetricName, str] = {
    "checkout_time": "checkouts with a known time",
    "redemption": "redeemed offers",
    "shown": "shown answers",
    "selected": "choices",
    "declined": "declined payments",
    "abandoned": "abandoned checkouts",
    "refunded": "refunds",
}
"""What an interval waits for, where that is not purchases."""


@dataclass(frozen=True)
class Summary:
    """The verdict as a page shows it: `short` for lists, `kind` of its badge or note."""

    short: str
    sentence: str
    detail: str
    kind: str


SECOND = 1_000
NOTHING_YET = Summary("Not started", "Not started yet", "Nobody is enrolled.", "plain")


def measured(metric: MetricName, unit: Unit) -> str:
    """Return what a metric counts, such as "Share of customers with a purchase"."""
    singular, plural = UNITS[unit]
    return PER[metric].format(unit=singular, units=plural)


def value_text(metric: MetricName, value: float | None, show: Show, currency: str) -> str:
    """Format a metric's value; amounts are in minor units."""
    if value is None:
        return NOTHING
    match METRIC_KINDS[metric].quantity:
        case "share":
            return show.percent(value)
        case "number":
            return show.number(value, digits=3)
        case "money":
            return show.money(round(value), currency)
        case "time":
            return time_text(value, show)


def time_text(value: float, show: Show) -> str:
    """Format milliseconds as seconds."""
    return f"{show.number(value / SECOND, digits=1)} seconds"


def value_words(value: object) -> str:
    """Return a value that a variant sets as it is typed: yes and no, numbers, texts."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def lift_text(low: float | None, high: float | None, show: Show) -> str:
    """Format an interval of relative changes: +2.1% to +6.3%."""
    return NOTHING if low is None or high is None else f"{show.change(low)} to {show.change(high)}"


def state_of(document: Experiment) -> tuple[str, str]:
    """Return the word for an experiment's state, with the kind of its badge."""
    state = document.status.state
    return SCHEDULED if state == "approved" and document.starts_at else STATES[state]


def start_text(document: Experiment, show: Show) -> str:
    """Return when an experiment is planned to start, and what must come first; empty where it is started by hand."""
    planned = ms_of(document.starts_at) if document.starts_at else None
    if planned is None or document.status.started_at is not None:
        return ""
    if planned <= show.now and document.status.state == "draft":
        return f"{show.moment(planned)}, which is over: start it by hand, or plan a later start"
    text = f"{show.moment(planned)}, by itself"
    return text if document.status.state == "approved" else f"{text} once it is approved or scheduled"


def days_run(document: Experiment, now: int) -> int | None:
    """Return the days since the start, until the end; None before the start."""
    began = document.status.started_at
    return None if began is None else max(0, ((document.status.ended_at or now) - began) // DAY)


def summary(document: Experiment, results: Results | None, show: Show, *, is_stored: bool = False) -> Summary:
    """Sum up an experiment: its end where it has one, else the verdict of the results; that alone of a stored look."""
    if results is None:
        return NOTHING_YET
    result = _of_verdict(document, results, show)
    if is_stored:
        return replace(result, sentence=f"{show.moment(results.as_of)}: {result.sentence}")
    if results.phase != document.status.phase:
        return _of_phase(result, results)
    if document.status.state == "concluded" or document.status.before_archive == "concluded":
        name, verdict = name_of(document, document.status.winner), f"{result.sentence.rstrip('.')}."
        if document.status.winner == document.control.id:
            return Summary("Kept as it was", f"Concluded: “{name}” stays.", verdict, "plain")
        return Summary(f"{name} won", f"Concluded: “{name}” is in force.", verdict, "plain")
    return result


def _of_phase(result: Summary, results: Results) -> Summary:
    """Sum up a phase that is over: what it found stays, what it did not find it never will."""
    if results.verdict.kind not in ("keep_going", "too_few"):
        return Summary(result.short, f"Phase {results.phase}: {result.sentence}", result.detail, result.kind)
    is_compared = results.verdict.kind == "keep_going" and results.verdict.lift is not None
    detail = result.detail.replace("So far", "At its end") if is_compared else "Too few customers were in it."
    return Summary("No verdict", f"Phase {results.phase} ended without a verdict", detail, "plain")


def name_of(document: Experiment, variant: str) -> str:
    """Return the name of a variant, or its id where it is gone."""
    return next((each.name for each in document.variants if each.id == variant), variant)


def _of_verdict(document: Experiment, results: Results, show: Show) -> Summary:
    verdict = results.verdict
    name, metric = name_of(document, verdict.variant), METRICS[document.primary].lower()
    interval = f"{lift_text(verdict.low, verdict.high, show)} {metric}"
    match verdict.kind:
        case "better":
            against = f"Compared with “{document.control.name}”. {_certainty(document)}{_not_before(document, show)}"
            return Summary(f"{name} is better", f"{name} is better: {interval}", against, "good")
        case "worse":
            text = f"{name} is worse: {interval}"
            if len(document.variants) > 2:
                text = f"All others are worse than “{document.control.name}”; the best of them, {name}: {interval}"
            return Summary("Control is better", text, _certainty(document), "warn")
        case "no_difference":
            effect = show.percent(document.minimum_effect_percent / 100)
            return Summary(
                "No difference", f"No difference above {effect}", f"{name}: {interval}. {_certainty(document)}", "info"
            )
        case "mismatch":
            return Summary("Split does not hold", _mismatch(document, results, show), MISMATCH_DETAIL, "bad")
        case "guardrail":
            return Summary("Guardrail broken", _guardrail(results, name), GUARDRAIL_DETAIL, "bad")
        case _:
            return _going_on(document, results, verdict, show)


def _not_before(document: Experiment, show: Show) -> str:
    """Say until when no variant can win; empty once the least time is over."""
    began = document.status.phase_started_at
    if document.status.state != "running" or began is None or not document.minimum_days:
        return ""
    earliest = began + document.minimum_days * DAY
    if earliest <= show.now:
        return ""
    return f" It can win from {show.day(earliest)} on, after {show.count(document.minimum_days, 'day')} at least."


MISMATCH_DETAIL = (
    "Some exposures are lost or counted twice in one of the variants, so the numbers below compare different "
    "customers. Find the cause before you conclude anything; often a page of one variant fails to load or to report."
)
GUARDRAIL_DETAIL = "A running experiment stops by itself: everybody gets the control."


def _mismatch(document: Experiment, results: Results, show: Show) -> str:
    counts = " to ".join(show.number(variant.units) for variant in results.variants)
    shares = " to ".join(show.percent(variant.expected_share, digits=0) for variant in results.variants)
    return f"The split does not hold: {counts} {UNITS[document.unit][1]} where {shares} was planned"


def _guardrail(results: Results, name: str) -> str:
    broken = next(state for state in results.guardrails if state.is_broken)
    return f"{name} {too_much(broken)}"


def tolerated_text(metric: MetricName, percent: float) -> str:
    """Return what a guardrail tolerates, such as "at most 5% lost"."""
    return f"at most {percent:g}% {'more' if METRIC_KINDS[metric].falls else 'lost'}"


def too_much(state: GuardrailState) -> str:
    """Say what a variant does to a guarded metric that is more than tolerated."""
    metric, percent = METRICS[state.metric].lower(), f"{state.tolerated_percent:g}%"
    return (
        f"raises {metric} by more than {percent}"
        if METRIC_KINDS[state.metric].falls
        else f"loses more than {percent} {metric}"
    )


def _going_on(document: Experiment, results: Results, verdict: ExperimentVerdict, show: Show) -> Summary:
    """Say that it must go on, and for how long."""
    left, pace = left_text(document, results, show), ""
    sentence = f"Keep going: {left}" if left else "Keep going"
    if left.startswith(AT_MOST) and results.days_left is not None:
        pace = (
            f" At this pace the planned number takes {days_left_text(results.days_left, show)}, longer than it may run."
        )
    if results.next_look is not None:
        next_look = f"The next look is on {show.day(results.next_look)}."
        if verdict.lift is None:
            return Summary("Keep going", sentence, f"{next_look} Until then nothing is compared.", "info")
        interval = lift_text(verdict.low, verdict.high, show)
        next_look += f" At the last one {name_of(document, verdict.variant)}: {interval}."
        return Summary("Keep going", sentence, next_look, "info")
    if verdict.kind == "too_few":
        short = "Too few yet" if _lacks_units(document, results) else "No interval yet"
        return Summary(short, sentence, no_interval(document, results) + pace, "info")
    interval = lift_text(verdict.low, verdict.high, show)
    so_far = f"So far {name_of(document, verdict.variant)}: {interval} {METRICS[document.primary].lower()}."
    if document.method == "fixed":
        so_far = "The result is read once, when the planned number has matured."
    return Summary("Keep going", sentence, so_far + pace, "info")


LEAST_UNITS = 100


def _lacks_units(document: Experiment, results: Results) -> bool:
    least = _least_events(document)
    return any(variant.matured < LEAST_UNITS or variant.converted < least for variant in results.variants)


def _least_events(document: Experiment) -> int:
    return 100 if document.is_adaptive else least_events(document.primary)


def no_interval(document: Experiment, results: Results) -> str:
    """Say what the interval of the deciding metric waits for."""
    units, least = UNITS[document.unit][1], _least_events(document)
    if document.primary == "margin" and any((each.control_value or 0) < 0 for each in _primary(document, results)):
        return f"The control loses money with its {units}, so no relative change can be computed."
    if document.primary in EVENTS:
        events = EVENTS[document.primary]
        return f"Each variant needs {LEAST_UNITS} {units} and {least} {events} before there is an interval."
    if _lacks_units(document, results):
        return f"Each variant needs {LEAST_UNITS} {units} and {least} purchases before there is an interval."
    if document.primary == "conversion":
        return f"Nearly all {units} bought: each variant needs {least} {units} who did not before there is an interval."
    if document.primary == "order_value" and _is_constant(document, results):
        return "In a variant all purchases had the same amount, so the interval waits for one that differs."
    return "A few large purchases outweigh all others, so the interval waits for more purchases."


def _is_constant(document: Experiment, results: Results) -> bool:
    """Return whether a variant's metric does not vary: then no variant has a chance to win."""
    return all(each.chance_to_win == 0.0 for each in _primary(document, results))


def _primary(document: Experiment, results: Results) -> list[MetricComparison]:
    return [each for each in results.comparisons if each.metric == document.primary]


AT_MOST = "at most "


def left_text(document: Experiment, results: Results | None, show: Show) -> str:
    """Return the days left by the pace, or those until the latest end where that comes first; empty unless open."""
    run = days_run(document, results.as_of if results else show.now)
    if document.status.state not in ("running", "paused") or run is None:
        return ""
    longest = max(0, document.maximum_days - run)
    left = results.days_left if results else None
    if left is None or left > longest:
        return f"{AT_MOST}{show.count(longest, 'day')}"
    return days_left_text(left, show)


def days_left_text(days: float | None, show: Show) -> str:
    """Return "about 9 days", or an empty text where the pace is not known."""
    if days is None:
        return ""
    return "less than a day" if days < 1 else f"about {show.count(round(days), 'day')}"


CERTAIN: Mapping[Method, str] = {
    "sequential": "at every look",
    "group_sequential": "at each of the five looks",
    "fixed": "for one look at the planned number",
}


def _certainty(document: Experiment) -> str:
    """Return what the interval promises."""
    when = CERTAIN[document.method]
    return f"The interval holds with 95% certainty, {when}."
