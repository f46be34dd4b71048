"""A rule while it is edited: the texts of its form, of which the JSON is the truth that rows only show."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from rules import RuleError, loads
from web.admin.rules.builder import edits
from web.admin.rules.builder.effects import Effect, blank_effect, effects_of, laid_over
from web.admin.rules.builder.nodes import Group, Steps, from_logic, to_logic
from web.admin.rules.builder.overlay import Given, Overlay, name_of
from web.admin.rules.builder.texts import Terms
from web.admin.shell.json_text import pretty

JSON_TEXTS = ("when", "effects")


@dataclass(frozen=True)
class Draft:
    """The texts by field; which inputs said something new when they were read, and whether the form must follow.

    `focus` is the name of the part that an act was about.
    """

    texts: Mapping[str, str]
    changed: tuple[str, ...] = ()
    reshaped: bool = False
    focus: str = ""

    @property
    def fingerprint(self) -> str:
        """Tells whether the JSON was edited since rows were made of it."""
        joined = "\0".join(_plain(self.texts.get(name, "")) for name in JSON_TEXTS)
        return hashlib.sha256(joined.encode()).hexdigest()[:16]


def read_draft(given: Given, names: Sequence[str], terms: Terms) -> Draft:
    """What a sent form says. Where its JSON was edited, the rows are made of that; else the JSON of the rows."""
    last = {name: values[-1] for name, values in given.items() if values}
    draft = Draft({name: _plain(last.get(name, "")) for name in names})
    if "shown" not in last or last["shown"] != draft.fingerprint:
        return replace(draft, changed=("json",), reshaped=True)
    tree, effects = condition_of(draft, terms), effect_rows_of(draft)
    overlay, texts = Overlay(given, terms), dict(draft.texts)
    if tree is not None:
        laid = overlay.tree(tree)
        if laid is not tree:
            texts["when"] = pretty(to_logic(laid))
    if effects is not None:
        rows = laid_over(effects, overlay)
        if any(new is not old.source for new, old in zip(rows, effects, strict=True)):
            texts["effects"] = pretty(rows)
    return Draft(texts, tuple(overlay.changed), overlay.reshaped)


def condition_of(draft: Draft, terms: Terms) -> Group | None:
    """The tree of the condition; None where its text is no JSON."""
    try:
        return from_logic(loads(draft.texts["when"]), terms.types)
    except RuleError:
        return None


def effect_rows_of(draft: Draft) -> list[Effect] | None:
    """The rows of the effects; None where the text is no list."""
    try:
        document = loads(draft.texts["effects"])
    except RuleError:
        return None
    return effects_of(document) if isinstance(document, list) else None


def acted(draft: Draft, act: str, terms: Terms) -> Draft:
    """The draft after a button, such as `add_row:c.0` or `effect_remove:e.1`."""
    name, _, place = act.partition(":")
    if name in edits.ACTS:
        return _edited(draft, edits.ACTS[name], place, terms)
    if name in EFFECT_ACTS:
        return _with_effects(draft, EFFECT_ACTS[name], place)
    return draft


def moved(draft: Draft, at: str, to: str, terms: Terms) -> Draft:
    """The draft after a row was dragged before what stands at `to`."""
    target = steps_of(to)
    return _edited(draft, lambda root, steps: edits.move(root, steps, target), at, terms) if target else draft


def steps_of(name: str) -> Steps:
    """The place that a name in the form stands for: c.0.1 is the second part of the first part."""
    steps = name.split(".")[1:]
    return tuple(int(step) for step in steps if step.isdigit()) if all(step.isdigit() for step in steps) else ()


def _edited(draft: Draft, edit: Callable[[Group, Steps], edits.Changed], place: str, terms: Terms) -> Draft:
    tree = condition_of(draft, terms)
    if tree is None:
        return draft
    new, steps = edit(tree, steps_of(place))
    if new is tree:
        return draft
    return replace(draft, texts={**draft.texts, "when": pretty(to_logic(new))}, reshaped=True, focus=name_of(steps))


def _with_effects(draft: Draft, edit: Callable[[list[object], str], int], place: str) -> Draft:
    rows = effect_rows_of(draft)
    if rows is None:
        return draft
    documents = [row.source for row in rows]
    focus = edit(documents, place)
    return replace(draft, texts={**draft.texts, "effects": pretty(documents)}, reshaped=True, focus=f"e.{focus}")


def _index(place: str) -> int:
    text = place.rpartition(".")[2]
    return int(text) if text.isdigit() else -1


def _add_effect(documents: list[object], place: str) -> int:
    documents.append(blank_effect(place if place in ("require", "pin", "boost", "set") else "exclude"))
    return len(documents) - 1


def _remove_effect(documents: list[object], place: str) -> int:
    index = _index(place)
    if 0 <= index < len(documents):
        del documents[index]
    return max(0, min(index, len(documents) - 1))


def _effect_up(documents: list[object], place: str) -> int:
    index = _index(place)
    if 0 < index < len(documents):
        documents[index - 1 : index + 1] = documents[index], documents[index - 1]
        return index - 1
    return index


EFFECT_ACTS: Mapping[str, Callable[[list[object], str], int]] = {
    "effect_add": _add_effect,
    "effect_remove": _remove_effect,
    "effect_up": _effect_up,
}


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
