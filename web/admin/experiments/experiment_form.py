"""An experiment as its form: the way between texts and the document."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine.experiments.checks import EDITABLE_WHILE_RUNNING
from engine.model.errors import FieldProblem, Invalid
from engine.model.experiment import Experiment, Guardrail, State
from engine.model.placement import Policy
from engine.model.timestamps import ms_of
from web.admin.experiments.audience import Audience
from web.admin.experiments.variant_form import (
    SEVERAL_OF_VARIANT,
    form_fields_of_variant,
    names_of_variant,
    texts_of_variant,
    variant_of,
    weight_of,
)
from web.admin.shell.editing import to_document
from web.admin.shell.forms import Reader, moment_text, number_text
from web.experiments.experiment_words import METRICS
from web.format import Show

NOT_IN_AN_ID = re.compile(r"[^a-z0-9]+")
MOST_VARIANTS = 10
GUARD = "guard:"
"""What the fields begin with that hold a metric's tolerated loss."""
ENROLLED: tuple[State, ...] = ("running", "paused")
NAMES = {
    "name": "Name",
    "hypothesis": "Hypothesis",
    "notes": "Notes",
    "when": "Audience",
    "unit": "Split by",
    "share": "Share of the audience",
    "layer": "Layer",
    "learning": "What learns",
    "allocation": "Shares",
    "primary": "Decides",
    "secondary": "Also shown",
    "guardrails": "Guardrails",
    "method": "Method",
    "counts_log": "Count what the log says",
    "minimum_effect_percent": "Smallest change worth finding",
    "minimum_days": "At least",
    "maximum_days": "At most",
    "starts_at": "Starts",
    "publishes_winner": "Publish the winner by itself",
    "variants": "Variants",
} | {f"{GUARD}{metric}": f"Tolerated loss of {name.lower()}" for metric, name in METRICS.items()}
HINTS = {
    "name": "Give it a name of at most 120 characters.",
    "hypothesis": "At most 2,000 characters.",
    "notes": "At most 5,000 characters.",
    "share": "Must be above 0 and at most 100%.",
    "layer": "Use letters, digits and _ . : - only, at most 64 of them.",
    "guardrails": "A tolerated loss lies between 0 and 100%.",
    "minimum_effect_percent": "Must be above 0 and at most 1,000%.",
    "minimum_days": "Must lie between 0 and 365 days.",
    "maximum_days": "Must lie between 1 and 365 days.",
    "variants": "Each variant needs a name of at most 120 characters and a weight above 0.",
}
DEFAULTS = {
    "unit": "customer",
    "share": "100",
    "layer": "main",
    "learning": "apart",
    "allocation": "fixed",
    "primary": "conversion",
    "secondary": "revenue",
    f"{GUARD}conversion": "",
    f"{GUARD}revenue": "5",
    "method": "sequential",
    "minimum_effect_percent": "5",
    "minimum_days": "7",
    "maximum_days": "28",
    "variants": "2",
    "v0.id": "control",
    "v0.name": "As it is now",
    "v0.weight": "50",
    "v1.name": "",
    "v1.weight": "50",
}


def names_of(count: int) -> dict[str, str]:
    """Return the fields of the form by what they are called, those of each variant among them."""
    names = dict(NAMES)
    for number in range(count):
        names |= names_of_variant(number)
    return names


def form_fields_of(count: int) -> dict[str, str]:
    """Return which field of the form shows each part of the document."""
    form_fields = {"audience": "when"}
    for number in range(count):
        form_fields |= form_fields_of_variant(number)
    return form_fields


def joined(form_fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Read the texts of a sent form, all of them where several may be chosen."""
    texts = {name: values[-1] for name, values in form_fields.items() if values}
    several = [name for name in form_fields if name == "secondary" or name.endswith(SEVERAL_OF_VARIANT)]
    return texts | {name: ", ".join(filter(None, form_fields[name])) for name in several}


def count_of(values: Mapping[str, str]) -> int:
    """Return the number of variants in a form, 2 to 10."""
    text = values.get("variants", "")
    return min(max(int(text), 2), MOST_VARIANTS) if text.isdigit() else 2


def document_of(
    values: Mapping[str, str],
    audience: Audience,
    *,
    id: str,
    old: Experiment | None,
    show: Show,
    own: Policy | None = None,
) -> Experiment:
    """Return the experiment that a form describes; raises `Invalid` with every problem of its texts.

    `own` is the placement's policy. The planned start is a time in the zone of `show`. Once units are enrolled, only
    what may still change is read from the form: share, audience and weights with it.
    """
    reader = Reader(values)
    texts = _always_editable(reader)
    if old is not None and old.status.state in ENROLLED:
        weights = [weight_of(reader, number) for number in range(len(old.variants))]
        texts |= {"share": _share(reader), "audience": audience.value}
        reader.problems += audience.problems
        reader.check()
        changed = to_document(msgspec.to_builtins(old) | texts, Experiment, hints=HINTS)
        editable = {name: getattr(changed, name) for name in (*EDITABLE_WHILE_RUNNING, "share", "audience")}
        return msgspec.structs.replace(old, **editable, variants=old.weighted(weights))
    texts |= _other_texts(reader) | {"id": id, "audience": audience.value}
    texts["variants"] = [variant_of(reader, number, old, own) for number in range(count_of(values))]
    texts["starts_at"] = _start(reader, old, show)
    if old is not None:
        texts["floor"] = old.floor
    if texts["maximum_days"] < texts["minimum_days"]:
        reader.problems.append(FieldProblem("maximum_days", "must not be below the shortest run"))
    reader.problems += audience.problems
    reader.check()
    return to_document(texts, Experiment, hints=HINTS)


def _start(reader: Reader, old: Experiment | None, show: Show) -> str | None:
    """Read the planned start; the stored one where its text was left alone, None where it is started by hand."""
    stored = old.starts_at if old else None
    text = reader.moment("starts_at", show.zone, old=stored)
    moment = ms_of(text) if text else None
    if text != stored and moment is not None and moment <= show.now:
        reader.problems.append(FieldProblem("starts_at", "must be in the future"))
    return text


def _always_editable(reader: Reader) -> dict[str, Any]:
    """Read what may change at any time."""
    return {
        "name": reader.text("name", required="Give it a name that says what is tried"),
        "hypothesis": reader.text("hypothesis"),
        "notes": reader.text("notes"),
        "guardrails": _guardrails(reader),
        "maximum_days": reader.integer("maximum_days", default=28),
    }


def _other_texts(reader: Reader) -> dict[str, Any]:
    return {
        "unit": reader.text("unit") or "customer",
        "share": _share(reader),
        "layer": reader.text("layer") or "main",
        "learning": reader.text("learning") or "apart",
        "allocation": reader.text("allocation") or "fixed",
        "primary": reader.text("primary") or "conversion",
        "secondary": [name for name in reader.words("secondary") if name != reader.text("primary")],
        "method": reader.text("method") or "sequential",
        "counts_log": reader.flag("counts_log"),
        "publishes_winner": reader.flag("publishes_winner"),
        "minimum_effect_percent": reader.decimal("minimum_effect_percent", default=5.0),
        "minimum_days": reader.integer("minimum_days", default=7),
    }


def _share(reader: Reader) -> float:
    share = round(reader.decimal("share", default=100.0) / 100, 9)
    if not 0 < share <= 1:
        reader.problems.append(FieldProblem("share", HINTS["share"]))
    return share


def _guardrails(reader: Reader) -> list[dict[str, Any]]:
    """Read the tolerated losses; a metric whose field is empty is not watched."""
    guardrails = []
    for metric in METRICS:
        name = f"{GUARD}{metric}"
        if reader.text(name):
            tolerated = reader.decimal(name)
            guardrails.append({"metric": metric, "tolerated_percent": tolerated})
            if not 0 <= tolerated <= 100:
                reader.problems.append(FieldProblem(name, "must lie between 0 and 100%"))
    return guardrails


def texts_of(document: Experiment, version: int, show: Show) -> dict[str, str]:
    """Return a stored experiment as its form shows it."""
    texts = {
        "name": document.name,
        "hypothesis": document.hypothesis,
        "notes": document.notes,
        "unit": document.unit,
        "share": number_text(document.share * 100),
        "layer": document.layer,
        "learning": document.learning,
        "allocation": document.allocation,
        "primary": document.primary,
        "secondary": ", ".join(document.secondary),
        "method": document.method,
        "counts_log": "on" if document.counts_log else "",
        "publishes_winner": "on" if document.publishes_winner else "",
        "minimum_effect_percent": number_text(document.minimum_effect_percent),
        "minimum_days": str(document.minimum_days),
        "maximum_days": str(document.maximum_days),
        "starts_at": moment_text(document.starts_at, show.zone),
        "variants": str(len(document.variants)),
        "version": str(version),
        **{_guard_of(guardrail): number_text(guardrail.tolerated_percent) for guardrail in document.guardrails},
    }
    for number, variant in enumerate(document.variants):
        texts |= texts_of_variant(number, variant)
    return texts


def _guard_of(guardrail: Guardrail) -> str:
    return f"{GUARD}{guardrail.metric}"


def free_id(name: str, taken: frozenset[str]) -> str:
    """Make an id of a name that no experiment of the placement has."""
    base = NOT_IN_AN_ID.sub("-", name.lower()).strip("-")[:48].strip("-") or "experiment"
    numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
    return base if base not in taken else next(id for id in numbered if id not in taken)


def sized(values: Mapping[str, str]) -> Experiment | None:
    """Return the experiment whose size a form asks for; None while its numbers cannot be read."""
    reader = Reader(values)
    numbers = range(count_of(values))
    weights = [reader.decimal(f"v{number}.weight", default=1.0) for number in numbers]
    texts = _other_texts(reader) | {
        "id": "size",
        "name": "size",
        "maximum_days": reader.integer("maximum_days", default=28),
    }
    texts["variants"] = [{"id": f"v{number}", "name": "v", "weight": weights[number]} for number in numbers]
    try:
        reader.check()
        return to_document(texts, Experiment, hints=HINTS)
    except Invalid:
        return None
