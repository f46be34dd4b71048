"""All that the page says of a draft: its rows, its sentence, and what is wrong or odd about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from engine.kernel.kernel import most_slots
from engine.kernel.plan import lists_of, vocabulary_of
from engine.kernel.rule_sentences import labels_of
from engine.model.placement import FieldDocument
from engine.store.accounts import Merchant
from rules import (
    Boost,
    Effect,
    Exclude,
    Pin,
    Problem,
    Require,
    Rule,
    RuleError,
    Vocabulary,
    Wording,
    describe,
    loads,
    parse_rule,
)
from rules.analysis.check import CheckContext, RuleFinding, check_rule, check_rules
from rules.language.codes import CURRENCIES
from web.admin.candidates.candidate_list import in_order
from web.admin.rules.builder.nodes import Group, Node, to_logic, with_parts
from web.admin.rules.builder.rule_form import Draft, condition_of, effect_rows_of
from web.admin.rules.builder.texts import Terms
from web.admin.rules.builder.view import Note, PartView, Viewer
from web.admin.rules.rule_set import RuleSet
from web.admin.shell.forms import sentence
from web.admin.shell.json_text import excerpt, line_of
from web.format import Show

OPEN_END = "…"
WHOLE = re.compile(r"-?\d{1,6}")


@dataclass(frozen=True)
class PlacedProblem:
    """A mistake in a JSON text, with its line."""

    field: str
    line: int
    excerpt: str
    message: str


@dataclass(frozen=True)
class RuleView:
    """A draft as the page shows it; `condition` and `effects` are None where their text is no JSON to make rows of."""

    condition: PartView | None
    effects: Sequence[PartView] | None
    notes: Sequence[Note]
    elsewhere: Sequence[Note]
    places: Sequence[PlacedProblem]
    sentence: str
    findings: Sequence[RuleFinding]

    @property
    def mistakes(self) -> int:
        """How many things keep the rule from being saved."""
        return len({note.path for note in self.notes if note.severity == "mistake"})


class RuleContext:
    """What drafts of one rule are held against, made once a request."""

    def __init__(self, rules: RuleSet, merchant: Merchant, show: Show, *, id: str) -> None:
        self._id, configuration = id, rules.configuration
        self._others = [rule for rule in rules.parsed() if rule.id != id]
        candidates = in_order(configuration.documents("candidate", rules.key))
        fields = tuple(_with_unit(field, merchant.currency) for field in configuration.fields())
        self.vocabulary: Vocabulary = vocabulary_of(fields)
        self.lists = lists_of(configuration.documents("list"))
        self.labels = labels_of(candidates)
        slots = most_slots(configuration.get("placement", "", rules.key).document)
        self._wording = Wording(self.labels, merchant.currency, show.money, show.country)
        self._check_context = CheckContext(self.vocabulary, self.lists, self.labels, slots, self._wording)
        self.terms = Terms(
            fields={field.name: field for field in fields},
            lists=tuple(sorted(self.lists)),
            candidates=self.labels,
            currency=merchant.currency,
            timezone=merchant.timezone,
        )

    def rule_view(self, draft: Draft) -> RuleView:
        """Everything there is to say of the draft."""
        rule, problems = self.parsed(draft)
        findings = self._findings(rule) if rule and not problems else []
        notes = [Note(one.path, "mistake", sentence(one.message)) for one in problems]
        notes += [Note(one.path, one.severity, one.message) for one in findings if one.rule == self._id]
        tree, rows = condition_of(draft, self.terms), effect_rows_of(draft)
        viewer = Viewer(self.terms, notes)
        return RuleView(
            condition=viewer.condition(tree) if tree is not None else None,
            effects=viewer.effects(rows) if rows is not None else None,
            notes=notes,
            elsewhere=[note for note in viewer.elsewhere(tree, rows) if note.severity == "mistake"],
            places=[placed(draft, one) for one in problems] if draft.changed == ("json",) else [],
            sentence=self.words(rule) if rule else self._in_part(draft, tree, problems),
            findings=findings,
        )

    def parsed(self, draft: Draft) -> tuple[Rule | None, Sequence[Problem]]:
        """The rule of a draft, and what is wrong with it; the rule is None where it cannot be read."""
        try:
            rule = self._rule(loads_parts(draft), priority=draft.texts.get("priority", ""))
        except RuleError as error:
            return None, error.problems
        return rule, list(_strangers(rule, self.labels))

    def words(self, rule: Rule) -> str:
        """A rule in one sentence, candidates called by their names."""
        said = describe(rule, self.vocabulary, self._wording)
        return said[:1].upper() + said[1:]

    def _rule(self, parts: dict[str, object], *, priority: str = "") -> Rule:
        number = int(priority) if WHOLE.fullmatch(priority) else 0
        document = {"id": self._id, "name": "This rule", "priority": number, **parts}
        return parse_rule(document, self.vocabulary, self.lists)

    def findings_of_all(self) -> list[RuleFinding]:
        """What the checks find in the rules beside the one of this bench."""
        return check_rules(self._others, self._check_context)

    def _findings(self, rule: Rule) -> list[RuleFinding]:
        return check_rule(rule, self._others, self._check_context)

    def _in_part(self, draft: Draft, tree: Group | None, problems: Sequence[Problem]) -> str:
        """The sentence of a draft that is not finished: what is said already, the rest left open."""
        effects = effect_rows_of(draft)
        if tree is None or effects is None:
            return ""
        wrong = [problem.path for problem in problems]
        right = [row.source for index, row in enumerate(effects) if not _any_inside(wrong, f"/effects/{index}")]
        left = _without(tree, wrong)
        try:
            rule = self._rule({"when": to_logic(left) if left else True, "effects": right or [{"exclude": [OPEN_END]}]})
        except RuleError:
            return ""
        when, _, then = self.words(rule).partition(" → ")
        when = f"{when} and {OPEN_END}" if left and left is not tree else when if left else OPEN_END
        return f"{when} → {then if right else OPEN_END}" + (
            f", {OPEN_END}" if right and len(right) < len(effects) else ""
        )


def loads_parts(draft: Draft) -> dict[str, object]:
    """The decoded JSON texts; raises `RuleError` with the problems of both, each under its field."""
    parts: dict[str, object] = {}
    problems: list[Problem] = []
    for name in ("when", "effects"):
        try:
            parts[name] = loads(draft.texts[name])
        except RuleError as error:
            problems += [Problem(f"/{name}{one.path}", one.message) for one in error.problems]
    if problems:
        raise RuleError(problems)
    return parts


def placed(draft: Draft, problem: Problem) -> PlacedProblem:
    """A mistake with its line in the text that it stands in."""
    field, _, rest = problem.path.strip("/").partition("/")
    text = draft.texts.get(field, "")
    line = line_of(text, f"/{rest}" if rest else "", problem.message)
    return PlacedProblem(field, line, excerpt(text, line), sentence(problem.message))


def _with_unit(field: FieldDocument, currency: str) -> FieldDocument:
    """A field of money in the merchant's currency, where it names none."""
    if field.type != "money" or field.unit in CURRENCIES:
        return field
    return msgspec.structs.replace(field, unit=currency)


def _strangers(rule: Rule, labels: dict[str, str]) -> Iterator[Problem]:
    """Effects that name candidates which the placement does not have."""
    for index, effect in enumerate(rule.effects):
        for id in _named(effect):
            if id not in labels:
                yield Problem(f"/effects/{index}", f"there is no candidate “{id}” in this placement")


def _named(effect: Effect) -> tuple[str, ...]:
    match effect:
        case Exclude(candidates) | Require(candidates) | Boost(candidates, _):
            return candidates
        case Pin(candidate, _):
            return (candidate,)
        case _:
            return ()


def _without(group: Group, wrong: Sequence[str]) -> Group | None:
    """The tree without the parts that something is wrong with; None where nothing is left."""
    parts: list[Node] = []
    for part in group.parts:
        inner = _without(part, wrong) if isinstance(part, Group) else None if _any_inside(wrong, part.path) else part
        if inner is not None:
            parts.append(inner)
    if len(parts) == len(group.parts) and all(new is old for new, old in zip(parts, group.parts, strict=True)):
        return group if parts or group.source is True else None
    return with_parts(group, parts) if parts else None


def _any_inside(paths: Sequence[str], outer: str) -> bool:
    return any(path == outer or path.startswith(f"{outer}/") for path in paths)
