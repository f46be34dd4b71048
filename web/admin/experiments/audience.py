"""The audience of an experiment, edited with the condition part of the rule builder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from babel import Locale

import rules
from engine.configuration.configuration import Configuration
from engine.kernel.plan import lists_of
from engine.kernel.rule_sentences import labels_of
from engine.model.account import Merchant
from engine.model.errors import FieldProblem
from rules import Problem, RuleError, Wording, timezones
from rules.language.tree import Node
from web.admin.candidates.candidate_list import in_order
from web.admin.rules.builder.overlay import FormFields
from web.admin.rules.builder.rule_form import RuleForm, apply_action, read_rule_form, rule_form
from web.admin.rules.builder.texts import Terms
from web.admin.rules.builder.view import Note, Option, PartView, Viewer, field_groups, offers
from web.admin.shell.forms import sentence
from web.admin.shell.json_text import pretty

NO_EFFECTS = "[]"
EVERYBODY = "Everybody."


@dataclass(frozen=True)
class AudienceView:
    """The condition as rows; `condition` is None where the JSON cannot be read. `shown` is its fingerprint."""

    condition: PartView | None
    when: str
    shown: str
    sentence: str
    problems: Sequence[str]
    focus: str
    field_groups: Sequence[tuple[str, Sequence[Option]]]
    known_fields: frozenset[str]
    offers: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Audience:
    """A condition while it is edited, with the vocabulary that it is checked against."""

    form: RuleForm
    terms: Terms
    vocabulary: rules.Vocabulary
    lists: Mapping[str, frozenset[str]]

    @property
    def value(self) -> object:
        """Return the condition, None for everybody."""
        return None if self.form.when.value is True else self.form.when.value

    @property
    def problems(self) -> list[FieldProblem]:
        """Return what keeps the text from being JSON."""
        return [FieldProblem("when", sentence(problem.message)) for problem in self.form.when.problems]

    def after(self, action: str) -> Audience:
        """Return the audience after a button of the builder, such as `add_row:c`."""
        return Audience(apply_action(self.form, action, self.terms), self.terms, self.vocabulary, self.lists)

    def view(self, wording: Wording) -> AudienceView:
        """Show it as rows with what is wrong beside them."""
        node, problems = self._parsed()
        notes = [Note(f"/when{problem.path}", "mistake", sentence(problem.message)) for problem in problems]
        words = rules.describe(node, self.vocabulary, wording) if node is not None else ""
        condition = self.form.condition
        return AudienceView(
            condition=Viewer(self.terms, notes).condition(condition) if condition is not None else None,
            when=self.form.when.text,
            shown=self.form.fingerprint,
            sentence=EVERYBODY if self.value is None and not problems else sentence(words) if words else "",
            problems=[note.message for note in notes],
            focus=self.form.focus,
            field_groups=field_groups(self.terms),
            known_fields=frozenset(self.terms.fields),
            offers=offers(self.terms, timezones()),
        )

    def _parsed(self) -> tuple[Node | None, Sequence[Problem]]:
        if self.form.when.problems:
            return None, self.form.when.problems
        if self.value is None:
            return None, ()
        try:
            return rules.parse_condition(self.value, self.vocabulary, self.lists), ()
        except RuleError as error:
            return None, error.problems


def audience_of(
    configuration: Configuration, placement: str, merchant: Merchant, locale: Locale, form: Callable[[Terms], RuleForm]
) -> Audience:
    """Return an audience with the names that it may use; `form` is `stored(...)` or `sent(...)`."""
    lists = lists_of(configuration.documents("list"))
    terms = Terms(
        fields={field.name: field for field in configuration.fields()},
        lists=tuple(sorted(lists)),
        candidates=labels_of(in_order(configuration.documents("candidate", placement))),
        currency=merchant.currency,
        timezone=merchant.timezone,
        locale=locale,
    )
    return Audience(form(terms), terms, configuration.vocabulary(), lists)


def stored(condition: object) -> Callable[[Terms], RuleForm]:
    """Return what makes the form of a stored condition, None for everybody."""
    texts = {"when": pretty(True if condition is None else condition), "effects": NO_EFFECTS}
    return lambda terms: rule_form(texts, terms)


def sent(form_fields: FormFields) -> Callable[[Terms], RuleForm]:
    """Return what reads the condition of a sent form: its rows, or its JSON where that was edited."""
    texts = {**form_fields, "effects": [NO_EFFECTS], "when": form_fields.get("when") or ["true"]}
    return lambda terms: read_rule_form(texts, ("when", "effects"), terms)
