"""A placement as its form: what may be chosen, and the way between texts and the document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import FieldProblem
from engine.placement import Contextual, Fixed, One, Placement, Ranking, Split, Subset, Thompson
from engine.store.resources import Resource
from web.admin.editing import to_document
from web.admin.forms import Reader, amount_text, number_text

Options = Sequence[tuple[str, str]]

SHAPES: Options = (
    ("ranking", "Every candidate, in an order"),
    ("one", "One candidate"),
    ("subset", "The first few candidates"),
)
POLICIES: Options = (
    ("thompson", "Learn what works, and show it first more often"),
    ("contextual", "Learn what works for whom, from facts"),
    ("split", "Fixed shares, for a comparison"),
    ("fixed", "My own order, moved only by rules"),
)
REWARDS: Options = (
    ("converted", "A completed purchase"),
    ("selected", "A choice by the customer"),
    ("revenue", "A completed purchase, weighed by its amount"),
    ("margin", "A completed purchase, weighed by its margin"),
)
GOALS: Options = (
    ("maximise", "As much as possible"),
    ("minimise", "As little as possible"),
)
CREDITS: Options = (
    ("cascade", "Those above the chosen one were seen and passed over"),
    ("position", "Each place counts as often as it is looked at"),
    ("first", "Only the first place counts"),
    ("shown", "Everything that was shown counts"),
)
NAMES = {
    "name": "Name",
    "shape": "Answer",
    "limit": "At most",
    "policy": "Choice",
    "floor": "Spread evenly",
    "drawn": "Slots that are drawn",
    "history": "Returning customers' choices",
    "features": "Facts to learn from",
    "values": "Values worth telling apart",
    "affinity": "Returning customers' choices",
    "weights": "Shares",
    "reward": "Success",
    "goal": "Goal",
    "half_life_days": "Old results count half after",
    "examination": "How often places are looked at",
    "credit": "Credit",
    "window_minutes": "Wait for results",
    "margin_percent": "Margin",
    "typical_amount": "Typical cart",
    "buckets": "Learn separately by",
}
HINTS = {
    "key": "Use letters, digits and _ - . : only, such as payment_methods; at most 64.",
    "name": "Give it a name of at most 120 characters.",
    "window_minutes": "Must lie between 1 minute and 43,200 (30 days).",
    "margin_percent": "Must lie between 0 and 100.",
    "typical_amount": "Must be an amount of at least 0, such as 50.",
    "buckets": "Name at most three fields, such as device.type.",
    "half_life_days": "Must lie between 1 and 10,000 days.",
    "examination": "Write percentages above 0 and up to 100, such as: 100, 60, 40.",
    "shape": "At most must lie between 1 and 100.",
    "policy": "Spread evenly must lie between 0 and 50, drawn slots 1 to 10; facts are named like device.type.",
}
DEFAULTS = {
    "shape": "ranking",
    "limit": "3",
    "policy": "thompson",
    "floor": "1",
    "drawn": "3",
    "history": "on",
    "affinity": "on",
    "reward": "converted",
    "goal": "maximise",
    "half_life_days": "90",
    "credit": "cascade",
    "window_minutes": "60",
    "margin_percent": "30",
}


def document_of(values: Mapping[str, str], currency: str) -> Placement:
    """The placement that a form describes; raises `Invalid` with every problem of its texts."""
    reader = Reader(values)
    texts: dict[str, Any] = {
        "key": reader.text("key", required="Give it a key, such as payment_methods"),
        "name": reader.text("name", required="Give it a name"),
        "shape": _shape(reader),
        "policy": _policy(reader),
        "reward": reader.text("reward"),
        "goal": reader.text("goal") or "maximise",
        "half_life_days": reader.decimal("half_life_days", default=90.0),
        "examination": _examination(reader),
        "credit": reader.text("credit"),
        "buckets": reader.words("buckets"),
        "window_minutes": reader.integer("window_minutes", default=60),
        "margin_percent": reader.decimal("margin_percent", default=30.0),
        "typical_amount": reader.money("typical_amount", currency) or 0,
    }
    reader.check()
    return to_document(texts, Placement, hints=HINTS)


def _shape(reader: Reader) -> dict[str, Any]:
    kind = reader.text("shape") or "ranking"
    return {"type": kind, "limit": reader.integer("limit", default=3)} if kind == "subset" else {"type": kind}


def _policy(reader: Reader) -> dict[str, Any]:
    kind = reader.text("policy") or "thompson"
    match kind:
        case "thompson":
            return {"type": kind, **_drawing(reader), "history": reader.flag("history")}
        case "contextual":
            features = {"features": reader.words("features"), "values": _values(reader)}
            return {"type": kind, **_drawing(reader), **features, "affinity": reader.flag("affinity")}
        case "split":
            return {"type": kind, "weights": _weights(reader)}
        case _:
            return {"type": kind}


def _drawing(reader: Reader) -> dict[str, Any]:
    return {
        "floor": round(reader.decimal("floor") / 100, 9),
        "drawn": reader.integer("drawn", default=3),
    }


def _examination(reader: Reader) -> list[float]:
    """Percentages by place; they matter under credit by place alone."""
    shares = []
    for text in reader.words("examination"):
        try:
            shares.append(round(float(text.removesuffix("%")) / 100, 6))
        except ValueError:
            reader.problems.append(FieldProblem("examination", f"“{text}” is not a percentage, such as 60"))
    return shares


def _values(reader: Reader) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for line in reader.lines("values"):
        name, colon, listed = line.partition(":")
        if not colon:
            reader.problems.append(FieldProblem("values", f"“{line}” should read like: geo.country: DE, AT, NL"))
        values[name.strip()] = [value.strip() for value in listed.split(",") if value.strip()]
    return values


def _weights(reader: Reader) -> dict[str, float]:
    weights: dict[str, float] = {}
    for line in reader.lines("weights"):
        name, _, number = line.replace("=", " ").replace(":", " ").rpartition(" ")
        try:
            weights[name.strip()] = float(number.replace(",", "."))
        except ValueError:
            reader.problems.append(FieldProblem("weights", f"“{line}” should read like: card 50"))
    return weights


def texts_of(stored: Resource, currency: str) -> dict[str, str]:
    """A stored placement as its form shows it."""
    placement: Placement = stored.document
    return {
        **DEFAULTS,
        "key": placement.key,
        "name": placement.name,
        **_shape_texts(placement),
        **_policy_texts(placement),
        "reward": placement.reward,
        "goal": placement.goal,
        "half_life_days": number_text(placement.half_life_days),
        "examination": ", ".join(number_text(round(share * 100, 4)) for share in placement.examination),
        "credit": placement.credit,
        "buckets": ", ".join(placement.buckets),
        "window_minutes": str(placement.window_minutes),
        "margin_percent": number_text(placement.margin_percent),
        "typical_amount": amount_text(placement.typical_amount, currency),
        "version": str(stored.version),
    }


def _shape_texts(placement: Placement) -> dict[str, str]:
    match placement.shape:
        case One():
            return {"shape": "one"}
        case Ranking():
            return {"shape": "ranking"}
        case Subset(limit):
            return {"shape": "subset", "limit": str(limit)}


def _policy_texts(placement: Placement) -> dict[str, str]:
    match placement.policy:
        case Fixed():
            return {"policy": "fixed"}
        case Split(weights):
            lines = [f"{name} {number_text(weight)}" for name, weight in weights.items()]
            return {"policy": "split", "weights": "\n".join(lines)}
        case Thompson(floor, drawn, history):
            return {"policy": "thompson", **_drawing_texts(floor, drawn), "history": "on" if history else ""}
        case Contextual(features, values, affinity, floor, drawn):
            return {
                "policy": "contextual",
                **_drawing_texts(floor, drawn),
                "features": ", ".join(features),
                "values": "\n".join(f"{name}: {', '.join(listed)}" for name, listed in values.items()),
                "affinity": "on" if affinity else "",
            }


def _drawing_texts(floor: float, drawn: int) -> dict[str, str]:
    return {"floor": number_text(floor * 100), "drawn": str(drawn)}
