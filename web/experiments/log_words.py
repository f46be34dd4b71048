"""What the log says of an experiment, in sentences: before the start, and while it runs."""

from __future__ import annotations

from collections.abc import Sequence

from engine.experiments.log_answers import LogAnswer
from engine.experiments.log_evidence import LogEvidence
from engine.model.experiment import Experiment
from web.experiments.experiment_words import UNITS, lift_text, name_of
from web.format import Show

NOT_ASKED = "Not asked. The log may know something of the difference, so that fewer customers are needed."
ASSUMED = (
    "It rests on customers of the last 28 days being like those of now; if they changed, it may name a wrong winner."
)


def answer_text(document: Experiment, answer: LogAnswer, show: Show) -> str:
    """Say what the log knows of a variant."""
    name = name_of(document, answer.variant)
    match answer.state:
        case "not_asked":
            return NOT_ASKED
        case "running":
            read, total = show.number(answer.done), show.number(answer.total)
            return f"{name}: {read} of {total} decisions are read."
        case "failed":
            return f"{name}: {answer.refused}. Ask again."
        case _:
            return _done(document, answer, name, show)


def _done(document: Experiment, answer: LogAnswer, name: str, show: Show) -> str:
    if answer.refused:
        return f"{name}: cannot be known from the past, because {answer.refused}. Nothing is saved, nothing is lost."
    interval = lift_text(answer.low, answer.high, show)
    text = f"{name}: {interval} conversion, by {show.count(answer.decisions, 'logged decision')}."
    if not answer.saved_units:
        return text
    units = f"That is worth {show.count(answer.saved_units, *UNITS[document.unit])} of the experiment."
    return f"{text} {units} {counting_text(document)}"


def counts(document: Experiment) -> bool:
    """Return whether what the log says will count."""
    return document.counts_log and document.method == "sequential"


def counting_text(document: Experiment) -> str:
    """Say whether the log counts as evidence."""
    if document.method != "sequential":
        return "It does not count: only results that hold at every look can take it in."
    if document.counts_log:
        return f"It counts beside the customers. {ASSUMED}"
    return "It does not count, unless you tick so under Size."


def evidence_texts(document: Experiment, evidence: Sequence[LogEvidence], show: Show) -> list[str]:
    """Say what counts of the log while the experiment runs."""
    texts = []
    for each in evidence:
        text = f"{name_of(document, each.variant)}: {lift_text(each.low, each.high, show)} conversion"
        if not each.agrees:
            texts.append(f"{text} by the log, but the customers differ from it: it no longer counts.")
        elif each.saved_units is None:
            texts.append(f"{text} by the log, which counts beside the customers. {ASSUMED}")
        else:
            units = show.count(each.saved_units, *UNITS[document.unit])
            texts.append(f"{text} by the log, which counts as {units}. {ASSUMED}")
    return texts
