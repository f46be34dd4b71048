"""What the page shows of a rule form: its rows, its sentence, its mistakes and the findings of the checks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from engine.configuration.configuration import Configuration
from engine.insights.traffic import Traffic
from engine.insights.traffic_checks import TrafficContext, traffic_findings
from engine.kernel.kernel import most_slots
from engine.kernel.plan import lists_of, vocabulary_of
from engine.kernel.rule_sentences import labels_of
from engine.model.account import Merchant
from engine.model.placement import FieldDocument
from rules import (
    Problem,
    Rule,
    RuleError,
    Vocabulary,
    Wording,
    candidates_of,
    describe,
    parse_rule,
)
from rules.analysis.check import CheckContext, RuleFinding, check_rule, check_rules
from rules.language.codes import CURRENCIES
from web.admin.candidates.candidate_list import in_order
from web.admin.rules.builder.nodes import Group, Node, to_logic, with_parts
from web.admin.rules.builder.rule_form import RuleForm
from web.admin.rules.builder.texts import Terms
from web.admin.rules.builder.view import Note, PartView, Viewer
from web.admin.shell.forms import sentence
from web.admin.shell.json_text import excerpt, line_of
from web.format import Show

OPEN_END = "…"
WHOLE = re.compile(r"-?\d{1,6}")


@dataclass(frozen=True)
class LocatedProblem:
    """A mistake in a JSON text, with its line."""

    field: str
    line: int
    excerpt: str
    message: str


@dataclass(frozen=True)
class RuleView:
    """A form as the page shows it; `condition` and `effects` are None where rows cannot be made of their text."""

    condition: PartView | None
    effects: Sequence[PartView] | None
    notes: Sequence[Note]
    elsewhere: Sequence[Note]
    located: Sequence[LocatedProblem]
    sentence: str
    findings: Sequence[RuleFinding]

    @property
    def mistakes(self) -> int:
        """Count the mistakes that keep the rule from being saved."""
        return len({note.path for note in self.notes if note.severity == "mistake"})


class RulesAround(Protocol):
    """The rules of a placement that stand beside the one that is edited, and the configuration that they are in."""

    @property
    def configuration(self) -> Configuration: ...

    @property
    def key(self) -> str: ...

    @property
    def traffic(self) -> Traffic: ...

    def parsed(self) -> Sequence[Rule]:
        """Return the enabled rules that can be parsed."""
        ...


class RuleContext:
    """The vocabulary, candidates and other rules that one rule's forms are checked against, for one request."""

    def __init__(self, rules: RulesAround, merchant: Merchant, show: Show, *, id: str) -> None:
        self._id, configuration = id, rules.configuration
        self._others = [rule for rule in rules.parsed() if rule.id != id]
        candidates = in_order(configuration.documents("candidate", rules.key))
        self._sample = TrafficContext(rules.traffic, candidates)
        fields = tuple(_with_unit(field, merchant.currency) for field in configuration.fields())
        self.vocabulary: Vocabulary = vocabulary_of(fields, configuration.currency)
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
            locale=show.locale,
        )

    def rule_view(self, form: RuleForm) -> RuleView:
        """Show a form: its rows, its sentence, what is wrong with it and what the checks find."""
        rule, problems = self.parsed(form)
        findings = self._findings(rule) if rule and not problems else []
        notes = [Note(problem.path, "mistake", sentence(problem.message)) for problem in problems]
        notes += [Note(item.path, item.severity, item.message) for item in findings if item.rule == self._id]
        viewer = Viewer(self.terms, notes)
        return RuleView(
            condition=viewer.condition(form.condition) if form.condition is not None else None,
            effects=viewer.effects(form.rows) if form.rows is not None else None,
            notes=notes,
            elsewhere=[note for note in viewer.elsewhere(form.condition, form.rows) if note.severity == "mistake"],
            located=[located(form, problem) for problem in problems] if form.changed == ("json",) else [],
            sentence=self.words(rule) if rule else self._unfinished(form, problems),
            findings=findings,
        )

    def parsed(self, form: RuleForm) -> tuple[Rule | None, Sequence[Problem]]:
        """Parse the rule of a form; return it, None where it cannot be parsed, and what is wrong with it."""
        if form.problems:
            return None, form.problems
        parts = {"when": form.when.value, "effects": form.effects.value}
        try:
            rule = self._rule(parts, priority=form.fields.get("priority", ""))
        except RuleError as error:
            return None, error.problems
        return rule, list(_unknown_candidates(rule, self.labels))

    def words(self, rule: Rule) -> str:
        """Put a rule into one sentence with the labels of its candidates."""
        text = describe(rule, self.vocabulary, self._wording)
        return text[:1].upper() + text[1:]

    def _rule(self, parts: dict[str, object], *, priority: str = "") -> Rule:
        number = int(priority) if WHOLE.fullmatch(priority) else 0
        document = {"id": self._id, "name": "This rule", "priority": number, **parts}
        return parse_rule(document, self.vocabulary, self.lists)

    def findings_of_all(self) -> list[RuleFinding]:
        """Check all rules but the one that is edited, against each other and against recent decisions."""
        return [
            *check_rules(self._others, self._check_context),
            *traffic_findings(self._others, self._sample, self._check_context),
        ]

    def _findings(self, rule: Rule) -> list[RuleFinding]:
        findings = check_rule(rule, self._others, self._check_context)
        if any(finding.kind == "never" and finding.rule == rule.id for finding in findings):
            # Why it cannot be true says more than that it was not.
            return findings
        return findings + traffic_findings([rule], self._sample, self._check_context)

    def _unfinished(self, form: RuleForm, problems: Sequence[Problem]) -> str:
        """Put the parts that are right into a sentence, with … for the others."""
        if form.condition is None or form.rows is None:
            return ""
        wrong = [problem.path for problem in problems]
        right = [row.source for index, row in enumerate(form.rows) if not _any_inside(wrong, f"/effects/{index}")]
        rest = _without(form.condition, wrong)
        try:
            rule = self._rule({"when": to_logic(rest) if rest else True, "effects": right or [{"exclude": [OPEN_END]}]})
        except RuleError:
            return ""
        when, _, effect_text = self.words(rule).partition(" → ")
        if rest is None:
            when = OPEN_END
        elif rest is not form.condition:
            when = f"{when} and {OPEN_END}"
        more = f", {OPEN_END}" if right and len(right) < len(form.rows) else ""
        return f"{when} → {effect_text if right else OPEN_END}{more}"


def located(form: RuleForm, problem: Problem) -> LocatedProblem:
    """Find the line of a JSON text that a mistake stands in."""
    field, _, rest = problem.path.strip("/").partition("/")
    text = form.texts.get(field, "")
    line = line_of(text, f"/{rest}" if rest else "", problem.message)
    return LocatedProblem(field, line, excerpt(text, line), sentence(problem.message))


def _with_unit(field: FieldDocument, currency: str) -> FieldDocument:
    """Give a money field without a currency the merchant's."""
    if field.type != "money" or field.unit in CURRENCIES:
        return field
    return msgspec.structs.replace(field, unit=currency)


def _unknown_candidates(rule: Rule, labels: dict[str, str]) -> Iterator[Problem]:
    """Find effects that name candidates which the placement does not have."""
    for index, effect in enumerate(rule.effects):
        for id in candidates_of(effect):
            if id not in labels:
                yield Problem(f"/effects/{index}", f"there is no candidate “{id}” in this placement")


def _without(group: Group, wrong: Sequence[str]) -> Group | None:
    """Return the tree without its wrong parts, None where nothing is left."""
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
