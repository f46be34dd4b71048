"""How the largest amounts count in an experiment, in words."""

from __future__ import annotations

from engine.model.documents.metric import CAPPED
from engine.model.experiment import Experiment
from web.experiments.experiment_words import METRICS, value_text
from web.format import Show


def caps_words(document: Experiment, show: Show, currency: str) -> list[str]:
    """Say at how much the largest values of the compared metrics count; nothing where none is compared that is capped.

    Caps come from before the start, so no look at the variants can choose them.
    """
    compared = [metric for metric in document.metrics if metric in CAPPED]
    caps = {cap.metric: cap for cap in document.status.caps}
    texts = []
    for cap in (caps[metric] for metric in compared if metric in caps):
        most, count = value_text(cap.metric, cap.amount, show, currency), show.count(cap.values, "purchase")
        if cap.values >= FOR_A_THOUSANDTH:
            limit = f"the largest 0.1% of purchases are capped at {most}, by {count} in the 28 days before the start"
        else:
            limit = f"purchases are capped at {most}, the largest of {count} in the 28 days before the start"
        texts.append(f"{METRICS[cap.metric]}: {limit}.")
    if compared and not caps and document.status.measured:
        texts.append("No amount is capped: there were fewer than 100 purchases in the 28 days before the start.")
    return texts


FOR_A_THOUSANDTH = 1_000
