"""A placement as its form: what may be chosen, and the way between texts and the document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.kernel.encoding.features import CHOICES
from engine.model.errors import FieldProblem
from engine.model.placement import Contextual, Fixed, One, Placement, Ranking, Split, Subset, Thompson
from engine.model.resource import Resource
from web.admin.placements.placement_options import Options
from web.admin.rules.builder.texts import NAMES as CODES
from web.admin.rules.builder.texts import Terms, from_text
from web.admin.rules.builder.view import label_of
from web.admin.shell.editing import to_document
from web.admin.shell.forms import Reader, number_text
from web.typed_money import amounts_text

SHAPES: Options = (
    ("ranking", "Every candidate, in an order"),
    ("one", "One candidate"),
    ("subset", "The first few candidates"),
)
POLICIES: Sequence[tuple[str, str, str]] = (
    (
        "thompson",
        "Learn what works",
        "Better candidates come first more often. The others are still tried now and then.",
    ),
    ("contextual", "Learn what works for whom", "The same, with facts about the cart, the device and the customer."),
    ("split", "Fixed shares", "Each candidate comes first as often as you choose, for a fair comparison."),
    ("fixed", "My own order", "Always the order of the list of candidates. Only rules change it."),
)
REWARDS: Options = (
    ("converted", "A completed purchase"),
    ("selected", "A choice by the customer"),
    ("revenue", "A completed purchase, weighted by its amount"),
    ("margin", "A completed purchase, weighted by its margin"),
)
GOALS: Options = (
    ("maximise", "As much as possible"),
    ("minimise", "As little as possible"),
)
CREDITS: Options = (
    ("choice", "The customer chose one of all offered candidates"),
    ("cascade", "The customer saw the candidates above the chosen one and skipped them"),
    ("position", "Each position counts as often as it is seen"),
    ("first", "Only the first position counts"),
    ("shown", "Everything that was shown counts"),
)
NAMES = {
    "name": "Name",
    "shape": "Answer",
    "limit": "At most",
    "policy": "How it chooses",
    "features": "Facts to learn from",
    "history": "Returning customers' choices",
    "affinity": "Returning customers' choices",
    "weights": "Shares",
    "floor": "Keep trying everything",
    "drawn": "Positions that vary",
    "reward": "Success",
    "margin_percent": "Margin before fees",
    "typical_amount": "Typical cart",
    "window_minutes": "Wait for results",
    "buckets": "Learn separately by",
    "goal": "Goal",
    "credit": "What a result says",
    "examination": "How often positions are seen",
    "half_life_days": "Old results count half after",
    "holdback": "Never personalized",
}
FORM_FIELDS = {
    "shape/limit": "limit",
    "policy/floor": "floor",
    "policy/drawn": "drawn",
    "policy/features": "features",
    "policy/values": "features",
    "policy/weights": "weights",
    "holdback/share": "holdback",
}
"""Return the form field that shows a part of the document."""
HINTS = {
    "key": "Use letters, digits and _ - . : only, such as payment_methods; at most 64.",
    "name": "Give it a name of at most 120 characters.",
    "window_minutes": "Must lie between 1 minute and 43,200 (30 days).",
    "margin_percent": "Must lie between 0 and 100.",
    "typical_amount": "Must be an amount of at least 0, such as 50.",
    "buckets": "Choose at most three.",
    "half_life_days": "Must lie between 1 and 10,000 days.",
    "examination": "Write percentages above 0 and up to 100, such as: 100, 60, 40.",
    "holdback/share": "Must be above 0 and at most 50, or empty.",
    "shape/limit": "Must lie between 1 and 100.",
    "policy/floor": "Must lie between 0 and 50.",
    "policy/drawn": "Must lie between 1 and 10.",
    "policy/features": "Choose at most 40.",
    "policy/values": "Name at most 300 values of at most 120 characters each.",
    "policy/weights": "A share is a number from 0 to 1,000,000.",
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
    "credit": "choice",
    "window_minutes": "60",
    "margin_percent": "30",
}
VALUES, WEIGHT = "values:", "weight:"
"""What the fields of the form begin with that belong to one fact or one candidate."""


def names_of(terms: Terms) -> dict[str, str]:
    """Return the fields of the form by what they are called, those of each fact and each candidate among them."""
    values = {f"{VALUES}{name}": f"{label_of(terms, name)}: values" for name in terms.fields}
    return {**NAMES, **values, **{f"{WEIGHT}{id}": f"Share of {label}" for id, label in terms.candidates.items()}}


def form_fields_of(terms: Terms) -> dict[str, str]:
    """Return which field of the form shows each part of the document."""
    return FORM_FIELDS | {f"policy/values/{name}": f"{VALUES}{name}" for name in terms.fields}


def joined(form_fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Read the texts of a sent form, all of them where several may be chosen."""
    last = {name: texts[-1] for name, texts in form_fields.items()}
    return last | {name: ", ".join(filter(None, form_fields.get(name, ()))) for name in ("features", "buckets")}


def document_of(values: Mapping[str, str], terms: Terms) -> Placement:
    """Return the placement that a form describes; raises `Invalid` with every problem of its texts."""
    reader = Reader(values, terms.locale)
    texts: dict[str, Any] = {
        "key": reader.text("key", required="Give it a key, such as payment_methods"),
        "name": reader.text("name", required="Give it a name"),
        "shape": _shape(reader),
        "policy": _policy(reader, terms),
        "reward": reader.text("reward"),
        "goal": reader.text("goal") or "maximise",
        "half_life_days": reader.decimal("half_life_days", default=90.0),
        "examination": _examination(reader),
        "credit": _credit(reader),
        "buckets": () if _learns_from_facts(reader) else reader.words("buckets"),
        "window_minutes": reader.integer("window_minutes", default=60),
        "margin_percent": reader.decimal("margin_percent", default=30.0),
        "typical_amount": reader.money("typical_amount", terms.currency) or 0,
        "holdback": _holdback(reader),
    }
    reader.check()
    return to_document(texts, Placement, hints=HINTS)


def _holdback(reader: Reader) -> dict[str, Any] | None:
    """Read the share of customers who are never personalized; the salt that draws them is kept."""
    if not reader.text("holdback"):
        return None
    return {"share": round(reader.decimal("holdback") / 100, 9), "salt": reader.text("holdback_salt")}


def _shape(reader: Reader) -> dict[str, Any]:
    kind = reader.text("shape") or "ranking"
    return {"type": kind, "limit": reader.integer("limit", default=3)} if kind == "subset" else {"type": kind}


def _learns_from_facts(reader: Reader) -> bool:
    return reader.text("policy") == "contextual"


def _credit(reader: Reader) -> str:
    credit = reader.text("credit")
    if credit == "position" and _learns_from_facts(reader):
        reader.problems.append(FieldProblem("credit", "this cannot be used when learning from facts: choose another"))
    return credit


def _policy(reader: Reader, terms: Terms) -> dict[str, Any]:
    kind = reader.text("policy") or "thompson"
    match kind:
        case "thompson":
            return {"type": kind, **_drawing(reader), "history": reader.flag("history")}
        case "contextual":
            features = reader.words("features")
            values = {name: _values(reader, name, terms) for name in features if _is_open_ended(terms, name)}
            weighed = {"features": features, "values": values, "affinity": reader.flag("affinity")}
            return {"type": kind, **_drawing(reader), **weighed}
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
    """Read the percentages by position, which matter only for credit by position."""
    shares = []
    for text in reader.words("examination"):
        try:
            shares.append(round(float(text.removesuffix("%")) / 100, 6))
        except ValueError:
            reader.problems.append(FieldProblem("examination", f"“{text}” is not a percentage, such as 60"))
    return shares


def _is_open_ended(terms: Terms, name: str) -> bool:
    field = terms.fields.get(name)
    return field is not None and field.type in CHOICES and not field.allowed


def _values(reader: Reader, name: str, terms: Terms) -> list[str]:
    """Return the values of a fact that are worth telling apart; countries by their names or codes."""
    field, kind = f"{VALUES}{name}", terms.fields[name].type
    typed = (text.strip() for text in reader.text(field).split(","))
    values = list(dict.fromkeys(str(from_text(kind, text, terms, name)) for text in typed if text))
    strangers = [value for value in values if kind in CODES and value not in CODES[kind]]
    if not values:
        reader.problems.append(FieldProblem(field, "name the values to distinguish, separated by commas"))
    elif strangers:
        reader.problems.append(FieldProblem(field, f"there is no {kind} “{strangers[0]}”"))
    return values


def _weights(reader: Reader) -> dict[str, float]:
    names = [name for name in reader.values if name.startswith(WEIGHT) and reader.text(name)]
    return {name.removeprefix(WEIGHT): reader.decimal(name) for name in names}


def texts_of(stored: Resource, terms: Terms) -> dict[str, str]:
    """Return a stored placement as its form shows it."""
    placement: Placement = stored.document
    return {
        **DEFAULTS,
        "key": placement.key,
        "name": placement.name,
        **_shape_texts(placement),
        **_policy_texts(placement, terms),
        "reward": placement.reward,
        "goal": placement.goal,
        "half_life_days": number_text(placement.half_life_days),
        "examination": ", ".join(number_text(round(share * 100, 4)) for share in placement.examination),
        "credit": placement.credit,
        "buckets": ", ".join(placement.buckets),
        "window_minutes": str(placement.window_minutes),
        "margin_percent": number_text(placement.margin_percent),
        "typical_amount": amounts_text(placement.typical_amount, terms.currency, terms.locale),
        "holdback": number_text(placement.holdback.share * 100) if placement.holdback else "",
        "holdback_salt": placement.holdback.salt if placement.holdback else "",
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


def _policy_texts(placement: Placement, terms: Terms) -> dict[str, str]:
    match placement.policy:
        case Fixed():
            return {"policy": "fixed"}
        case Split(weights):
            return {"policy": "split", **{f"{WEIGHT}{id}": number_text(weight) for id, weight in weights.items()}}
        case Thompson(floor, drawn, history):
            return {"policy": "thompson", **_drawing_texts(floor, drawn), "history": "on" if history else ""}
        case Contextual(features, values, affinity, floor, drawn):
            return {
                "policy": "contextual",
                **_drawing_texts(floor, drawn),
                "features": ", ".join(features),
                **{f"{VALUES}{name}": _values_text(name, listed, terms) for name, listed in values.items()},
                "affinity": "on" if affinity else "",
            }


def _drawing_texts(floor: float, drawn: int) -> dict[str, str]:
    return {"floor": number_text(floor * 100), "drawn": str(drawn)}


def _values_text(name: str, values: Sequence[str], terms: Terms) -> str:
    field = terms.fields.get(name)
    names = CODES["country"] if field and field.type == "country" else {}
    return ", ".join(names.get(value, value) for value in values)
