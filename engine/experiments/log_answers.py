"""What the log says of an experiment's variants before a start, from previews of each. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal

import msgspec

from bandits.evaluation.intervals import Z95
from bandits.experiments.comparison import lift_of
from bandits.experiments.moments import MetricEstimate
from bandits.experiments.past import allowed_error, units_worth
from engine.kernel.experiments.overlay import changes_something
from engine.model.experiment import Experiment, LogEstimate
from engine.previews.estimation.result import Result
from engine.previews.previews import Subject
from engine.store.previews import PreviewRow

LogState = Literal["not_asked", "running", "done", "failed"]
CONTROL_CHANGES = "the control changes something itself, so it was never in force"
OTHER_METRIC = "only conversion can be predicted, and the placement must learn from purchases"
NOTHING_EARNED = "none of these decisions led to a purchase"
ALIKE = "the variant would have answered every logged decision as it was answered"


class LogAnswer(msgspec.Struct, frozen=True):
    """What the log says of a variant: the relative change of conversion with its 95% interval; 0.02 is +2%.

    `decisions` of the log would have been answered otherwise. `refused` says why it cannot be known. `saved_units` are
    those of the experiment that the estimate replaces, None where that is not known. Of `total` decisions `done` are
    read.
    """

    variant: str
    state: LogState
    done: int = 0
    total: int = 0
    decisions: int = 0
    lift: float | None = None
    low: float | None = None
    high: float | None = None
    refused: str = ""
    saved_units: int | None = None

    @property
    def estimate(self) -> LogEstimate | None:
        """Return what an experiment may keep of it."""
        if self.lift is None or self.low is None or self.high is None:
            return None
        return LogEstimate(self.variant, self.lift, (self.high - self.low) / (2 * Z95), self.decisions)


def digest_of(experiment: Experiment) -> str:
    """Return a digest of what the log is asked: the variants and the audience."""
    content = msgspec.json.encode((experiment.variants, experiment.audience))
    return blake2b(content, digest_size=8).hexdigest()


def refusal_of(experiment: Experiment, reward: str) -> str:
    """Return why the log cannot be asked about an experiment at all."""
    if changes_something(experiment.control):
        return CONTROL_CHANGES
    if experiment.primary != "conversion" or reward != "converted":
        return OTHER_METRIC
    return ""


def answers_of(
    experiment: Experiment, reward: str, rows: Iterable[PreviewRow], *, conversion: float = 0.0
) -> list[LogAnswer]:
    """Return the answer for each variant but the control, by its newest preview of what is asked now."""
    refused, digest = refusal_of(experiment, reward), digest_of(experiment)
    newest: dict[str, PreviewRow] = {}
    for row in rows:
        subject = msgspec.json.decode(row.draft, type=Subject)
        if subject.digest == digest:
            newest[subject.variant] = row
    others = [variant.id for variant in experiment.variants[1:]]
    if refused:
        return [LogAnswer(variant, "done", refused=refused) for variant in others]
    return [_answer(experiment, variant, newest.get(variant), conversion) for variant in others]


def _answer(experiment: Experiment, variant: str, row: PreviewRow | None, conversion: float) -> LogAnswer:
    if row is None:
        return LogAnswer(variant, "not_asked")
    if row.state == "running":
        return LogAnswer(variant, "running", row.done, row.total)
    if row.state != "done" or row.result is None:
        return LogAnswer(variant, "failed", refused=row.problem or "reading was interrupted")
    effect = msgspec.json.decode(row.result, type=Result).effect
    refused = effect.refused or ("" if effect.touched else ALIKE) or ("" if effect.earned > 0 else NOTHING_EARNED)
    if refused:
        return LogAnswer(variant, "done", row.done, row.total, effect.touched, refused=refused)
    scale = effect.counted / effect.touched / effect.earned
    answer = LogAnswer(
        variant,
        "done",
        row.done,
        row.total,
        effect.touched,
        effect.value * scale,
        effect.low * scale,
        effect.high * scale,
    )
    return msgspec.structs.replace(answer, saved_units=saved_units_of(experiment, variant, answer, conversion))


def saved_units_of(experiment: Experiment, variant: str, answer: LogAnswer, conversion: float) -> int | None:
    """Return how many units, in all variants together, the log's estimate replaces."""
    estimate = answer.estimate
    if estimate is None or not 0 < conversion < 1 or not estimate.error > 0:
        return None
    weights = {each.id: each.weight for each in experiment.variants}
    total, variance = sum(weights.values()), conversion * (1 - conversion)
    shares = [weights[id] / total for id in (experiment.control.id, variant)]
    first, second = (MetricEstimate(conversion, variance, share) for share in shares)
    error = allowed_error(estimate.error, experiment.minimum_effect_percent / 100)
    return math.floor(units_worth(error, lift_of(first, second).error ** 2))
