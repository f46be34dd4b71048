"""The form of one rule: its JSON texts decoded once, as the tree of the condition and the rows of the effects."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from rules import Problem, RuleError, loads
from web.admin.rules.builder import edits
from web.admin.rules.builder.effects import KINDS, EffectRow, blank_effect, effects_of, laid_over
from web.admin.rules.builder.nodes import Group, Steps, from_logic, to_logic
from web.admin.rules.builder.overlay import FormFields, Overlay, name_of
from web.admin.rules.builder.texts import Terms
from web.admin.shell.json_text import pretty

JSON_TEXTS = ("when", "effects")


@dataclass(frozen=True)
class JsonText:
    """The text of a JSON box, decoded: its value, or the problems that keep it from being one."""

    text: str
    value: object = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class RuleForm:
    """A rule while it is edited.

    `fields` are the texts of all inputs but the JSON boxes. `condition` is None where `when` is not JSON, `rows` is
    None where `effects` is not a list. `changed` names the inputs whose values differ from the last form sent,
    `reshaped` is True where the browser needs other inputs, `focus` names the part that an action was about.
    """

    fields: Mapping[str, str]
    when: JsonText
    effects: JsonText
    condition: Group | None
    rows: Sequence[EffectRow] | None
    changed: tuple[str, ...] = ()
    reshaped: bool = False
    focus: str = ""

    @property
    def texts(self) -> dict[str, str]:
        """Return all texts by field, as the form sends them."""
        return {**self.fields, "when": self.when.text, "effects": self.effects.text}

    @property
    def fingerprint(self) -> str:
        """Return a digest of the JSON texts: it differs once somebody has edited the JSON by hand."""
        joined = "\0".join(_plain(json.text) for json in (self.when, self.effects))
        return hashlib.sha256(joined.encode()).hexdigest()[:16]

    @property
    def problems(self) -> list[Problem]:
        """Return what keeps the texts from being JSON, each problem with the path in the rule."""
        parts = {"when": self.when, "effects": self.effects}
        return [
            Problem(f"/{name}{problem.path}", problem.message)
            for name, part in parts.items()
            for problem in part.problems
        ]

    def with_condition(self, root: Group, terms: Terms) -> RuleForm:
        """Return the form with another condition."""
        when = decode_json(pretty(to_logic(root)))
        return replace(self, when=when, condition=_condition(when, terms))

    def with_effects(self, documents: Sequence[object]) -> RuleForm:
        """Return the form with other effects."""
        effects = decode_json(pretty(list(documents)))
        return replace(self, effects=effects, rows=_rows(effects))


def decode_json(text: str) -> JsonText:
    """Decode a text that may not be JSON."""
    try:
        return JsonText(text, loads(text))
    except RuleError as error:
        return JsonText(text, problems=tuple(error.problems))


def rule_form(texts: Mapping[str, str], terms: Terms) -> RuleForm:
    """Make the form of these texts, which have `when` and `effects` among them."""
    when, effects = decode_json(texts["when"]), decode_json(texts["effects"])
    fields = {name: text for name, text in texts.items() if name not in JSON_TEXTS}
    return RuleForm(fields, when, effects, _condition(when, terms), _rows(effects))


def read_rule_form(form_fields: FormFields, names: Sequence[str], terms: Terms) -> RuleForm:
    """Read a sent form.

    Where its JSON was edited by hand the rows follow the JSON; otherwise what was typed into the rows goes into it.
    """
    last = {name: values[-1] for name, values in form_fields.items() if values}
    form = rule_form({name: _plain(last.get(name, "")) for name in names}, terms)
    if "shown" not in last or last["shown"] != form.fingerprint:
        return replace(form, changed=("json",), reshaped=True)
    overlay = Overlay(form_fields, terms)
    if form.condition is not None:
        root = overlay.tree(form.condition)
        if root is not form.condition:
            form = form.with_condition(root, terms)
    if form.rows is not None:
        documents = laid_over(form.rows, overlay)
        if any(document is not row.source for document, row in zip(documents, form.rows, strict=True)):
            form = form.with_effects(documents)
    return replace(form, changed=tuple(overlay.changed), reshaped=overlay.reshaped)


def apply_action(form: RuleForm, action: str, terms: Terms) -> RuleForm:
    """Apply a button such as `add_row:c.0`, `effect_remove:e.1` or, for a dragged row, `move:c.0>c.2`."""
    name, _, argument = action.partition(":")
    if name == "move":
        source, _, target = argument.partition(">")
        return _moved(form, steps_of(source), steps_of(target), terms)
    if name in edits.ACTS:
        return _edited(form, edits.ACTS[name], steps_of(argument), terms)
    if name in EFFECT_ACTIONS:
        return _with_effects(form, EFFECT_ACTIONS[name], argument)
    return form


def steps_of(name: str) -> Steps:
    """Return the position that a name in the form stands for: c.0.1 is the second part of the first part."""
    steps = name.split(".")[1:]
    return tuple(int(step) for step in steps) if all(step.isdigit() for step in steps) else ()


def _moved(form: RuleForm, source: Steps, target: Steps, terms: Terms) -> RuleForm:
    return _edited(form, lambda root, steps: edits.move(root, steps, target), source, terms) if target else form


def _edited(form: RuleForm, edit: Callable[[Group, Steps], edits.Changed], steps: Steps, terms: Terms) -> RuleForm:
    if form.condition is None:
        return form
    root, focus = edit(form.condition, steps)
    if root is form.condition:
        return form
    return replace(form.with_condition(root, terms), reshaped=True, focus=name_of(focus))


def _with_effects(form: RuleForm, edit: Callable[[list[object], str], int], argument: str) -> RuleForm:
    if form.rows is None:
        return form
    documents = [row.source for row in form.rows]
    focus = edit(documents, argument)
    return replace(form.with_effects(documents), reshaped=True, focus=f"e.{focus}")


def _condition(when: JsonText, terms: Terms) -> Group | None:
    return None if when.problems else from_logic(when.value, terms.types)


def _rows(effects: JsonText) -> Sequence[EffectRow] | None:
    return effects_of(effects.value) if isinstance(effects.value, list) else None


def _index(name: str) -> int:
    text = name.rpartition(".")[2]
    return int(text) if text.isdigit() else -1


def _add_effect(documents: list[object], kind: str) -> int:
    if kind in KINDS:
        documents.append(blank_effect(kind))
    return max(0, len(documents) - 1)


def _remove_effect(documents: list[object], name: str) -> int:
    index = _index(name)
    if 0 <= index < len(documents):
        del documents[index]
    return max(0, min(index, len(documents) - 1))


def _effect_up(documents: list[object], name: str) -> int:
    index = _index(name)
    if 0 < index < len(documents):
        documents[index - 1 : index + 1] = documents[index], documents[index - 1]
        return index - 1
    return index


EFFECT_ACTIONS: Mapping[str, Callable[[list[object], str], int]] = {
    "effect_add": _add_effect,
    "effect_remove": _remove_effect,
    "effect_up": _effect_up,
}


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
