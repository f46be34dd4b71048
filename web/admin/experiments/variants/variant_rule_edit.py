"""The page on which a rule of a variant is built, in the middle of the form of an experiment.

Everything that was typed into the form of the experiment travels along in a hidden field and comes back with the rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from engine.configuration.configuration import Configuration
from engine.insights.traffic import NO_TRAFFIC, Traffic
from engine.kernel.plan import lists_of, rule_source
from engine.model.errors import FieldProblem, Invalid
from engine.model.placement import RuleDocument
from rules import Rule, RuleError, parse_rule, timezones
from web.admin.experiments.variants.variant_rules import own_rules, with_rule
from web.admin.rules.builder.effects import KINDS
from web.admin.rules.builder.overlay import FormFields
from web.admin.rules.builder.rule_form import RuleForm, apply_action, read_rule_form, rule_form
from web.admin.rules.builder.rule_view import RuleContext, RuleView
from web.admin.rules.builder.view import Option, field_groups, offers
from web.admin.rules.rule_texts import NAMES, document_of, example_texts, own_texts, texts_of
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame

KEPT = "kept"
"""The hidden field with what was typed into the form of the experiment."""
NOT_KEPT = re.compile(r"act|csrf|shown|focus|c(\.\d+)*\..+")
TYPED = ("name", "priority", "when", "effects")
NOT_IN_AN_ID = re.compile(r"[^a-z0-9]+")
DONE, CANCEL = "rule_done", "rule_cancel"


class RuleScene(NamedTuple):
    """The scene of a rule's form: the placement of the experiment, and the address that its form is sent to."""

    frame: Frame
    configuration: Configuration
    key: str
    action: str


@dataclass(frozen=True)
class VariantRulePage:
    """A rule of a variant while it is built; `number` is the variant's, `id` the rule's, empty while it is new."""

    title: str
    purpose: str
    action: str
    number: int
    id: str
    packed_values: str
    placement: str
    form: Form
    rule_view: RuleView
    shown: str
    focus: str
    field_groups: Sequence[tuple[str, Sequence[Option]]]
    known_fields: frozenset[str]
    effect_kinds: Sequence[Option]
    offers: Mapping[str, Sequence[str]]
    oob: str = ""
    refused: bool = False


@dataclass(frozen=True)
class VariantRules:
    """The rules that a variant leaves in force, beside those of its own."""

    configuration: Configuration
    key: str
    documents: Sequence[RuleDocument]
    traffic: Traffic = NO_TRAFFIC

    def parsed(self) -> Sequence[Rule]:
        """Return the rules that can be parsed."""
        vocabulary, lists = self.configuration.vocabulary(), lists_of(self.configuration.documents("list"))
        parsed = []
        for document in self.documents:
            try:
                parsed.append(parse_rule(rule_source(document), vocabulary, lists))
            except RuleError:
                continue
        return parsed


@dataclass(frozen=True)
class VariantRuleEdit:
    """A request about a rule of a variant: `values` are the texts of the form of the experiment."""

    scene: RuleScene
    values: Mapping[str, str]
    number: int
    id: str

    @property
    def old(self) -> RuleDocument | None:
        """Return the rule as the variant has it, else as it is stored; None for a new one."""
        own = own_rules(self.values.get(f"v{self.number}.rules", ""))
        stored: Sequence[RuleDocument] = self.scene.configuration.documents("rule", self.scene.key)
        return next((rule for rule in (*own, *stored) if rule.id == self.id), None)

    @property
    def context(self) -> RuleContext:
        """Return what the rule is checked against."""
        scene = self.scene
        off = Reader(self.values).words(f"v{self.number}.rules_off")
        own = own_rules(self.values.get(f"v{self.number}.rules", ""))
        replaced_ids = {*off, *(rule.id for rule in own)}
        stored = [rule for rule in scene.configuration.documents("rule", scene.key) if rule.id not in replaced_ids]
        others = [rule for rule in (*stored, *own) if rule.enabled and rule.id != self.id]
        rules = VariantRules(scene.configuration, scene.key, others)
        return RuleContext(rules, scene.frame.merchant, scene.frame.show, id=self.id or "new-rule")

    def opened(self) -> VariantRulePage:
        """Show the rule as it is, or an example to start from."""
        context = self.context
        return self._page(context, rule_form(own_texts(self._texts(context)), context.terms))

    def after(self, form_fields: FormFields, action: str) -> VariantRulePage:
        """Take over what was typed, carry out a button of the builder, and show the rule again."""
        context = self.context
        form = read_rule_form(form_fields, TYPED, context.terms)
        return self._page(context, apply_action(form, action, context.terms))

    def done(self, form_fields: FormFields) -> Mapping[str, str]:
        """Return the texts of the form of the experiment with the rule; raise `Invalid` where it is not right."""
        context = self.context
        form = read_rule_form(form_fields, TYPED, context.terms)
        full_form = replace(form, fields={**own_texts(self._texts(context)), **form.fields, "enabled": "on"})
        document = document_of(full_form, context.terms, id=self.id or self._free_id(form.fields["name"]), old=self.old)
        _, problems = context.parsed(form)
        if problems:
            raise Invalid(*(FieldProblem(problem.path, problem.message) for problem in problems))
        focus = {"focus": f"v{self.number}:{document.id}"}
        return with_rule(self.values, self.number, document) | focus

    def refused(self, form_fields: FormFields, error: Invalid) -> VariantRulePage:
        """Show the rule again with what is wrong beside it."""
        page = self.after(form_fields, "")
        beside = [problem for problem in error.problems if problem.field in ("name", "priority")]
        count = page.rule_view.mistakes
        if len(beside) < len(error.problems):
            text = (
                f"{self.scene.frame.show.count(count, 'mistake')} to fix first" if count else error.problems[0].message
            )
            beside.append(FieldProblem("form", text))
        return replace(page, form=page.form.with_problems(beside), refused=True)

    def _texts(self, context: RuleContext) -> dict[str, str]:
        old = self.old
        return example_texts(list(context.labels)) if old is None else texts_of(old, context.terms)

    def _free_id(self, name: str) -> str:
        base = NOT_IN_AN_ID.sub("-", name.lower()).strip("-")[:48].strip("-") or "rule"
        own = own_rules(self.values.get(f"v{self.number}.rules", ""))
        taken = {rule.id for rule in (*own, *self.scene.configuration.documents("rule", self.scene.key))}
        numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
        return base if base not in taken else next(id for id in numbered if id not in taken)

    def _page(self, context: RuleContext, form: RuleForm) -> VariantRulePage:
        variant = self.values.get(f"v{self.number}.name") or f"Variant {self.number + 1}"
        return VariantRulePage(
            title=self.old.name if self.old else "New rule",
            purpose=f"Only customers who get “{variant}” have the rule as it is here.",
            action=self.scene.action,
            number=self.number,
            id=self.id,
            packed_values=packed(self.values),
            placement=self.scene.key,
            form=Form({name: form.texts.get(name, "") for name in NAMES}),
            rule_view=context.rule_view(form),
            shown=form.fingerprint,
            focus=form.focus,
            field_groups=field_groups(context.terms),
            known_fields=frozenset(context.terms.fields),
            effect_kinds=list(KINDS.items()),
            offers=offers(context.terms, timezones()),
        )


def packed(values: Mapping[str, str]) -> str:
    """Return the texts of the form of the experiment as one text; rows of the audience are in its JSON already."""
    return urlencode([(name, text) for name, text in values.items() if not NOT_KEPT.fullmatch(name)])


def edit_of(scene: RuleScene, form_fields: FormFields) -> VariantRuleEdit:
    """Return the edit that a sent form goes on with."""
    last = {name: texts[-1] for name, texts in form_fields.items() if texts}
    number = last.get("number", "")
    values = dict(parse_qsl(last.get(KEPT, ""), keep_blank_values=True))
    return VariantRuleEdit(scene, values, int(number) if number.isdigit() else 0, last.get("rule", ""))
