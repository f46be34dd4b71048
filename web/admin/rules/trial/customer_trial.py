"""One trial: the rule as it stands on the page, the facts of a customer, and the answer to them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from secrets import token_hex

import msgspec

from engine.configuration.scenarios import expectation_of
from engine.configuration.trial import Trial
from engine.kernel.plan import PlanDocument, rule_source
from engine.kernel.scenario_check import nested
from engine.model.errors import EngineError, NotFound
from engine.model.facts import Facts
from engine.model.placement import RuleDocument, Scenario
from rules import Rule, Wording, parse_rule
from rules.language.tree import fields_of
from web.admin.rules.builder.rule_form import RuleForm
from web.admin.rules.rule_edit import RuleEdit
from web.admin.rules.rule_texts import NAMES
from web.admin.rules.trial.panel import Panel
from web.admin.rules.trial.try_facts import inputs_of, read_facts
from web.admin.rules.trial.try_starts import Starts
from web.admin.rules.trial.try_words import AnswerView, Judge, Verdict, answer_of, past_text

UNFINISHED = "The rule is not finished. This is the answer without it."


class CustomerTrial:
    """A request to try a customer on the rule of an edit. Parses that rule: make it in a thread."""

    def __init__(self, edit: RuleEdit, starts: Starts) -> None:
        self.edit = edit
        self.frame = edit.frame
        self.form = self._form_on_the_page()
        self._starts = starts
        self._terms = edit.context.terms
        self._rule, self._document = self._read_rule()
        self._facts = starts.facts
        self._values = starts.facts.values

    async def panel(self) -> Panel:
        """Try the facts and show what comes of them."""
        trial, problem = await self._answer()
        return await asyncio.to_thread(self._panel, trial, problem or ("" if self._rule else UNFINISHED))

    async def scenario(self) -> Scenario:
        """Return the facts with what is certain of their answer; `Invalid` where the rules make no plan."""
        values = read_facts(self.edit.sent, self._terms)
        document = await asyncio.to_thread(self._plan_document)
        trial = await self.frame.engine.trials.answer(self.frame.merchant.id, document, Facts(values))
        name = self.edit.sent.get("scenario", "").strip()[:120]
        return Scenario(
            id=f"tried-{token_hex(5)}",
            name=name or f"Tried {self.frame.show.moment(self.frame.show.now)}",
            context=nested(values),
            expect=expectation_of(trial.plan, values),
        )

    # The rule as it stands on the page

    def _form_on_the_page(self) -> RuleForm:
        edit, sent = self.edit, self.edit.sent
        if not self.frame.may_draft:  # a form that is only shown sends no ticks and no rows
            return edit.form_of(edit.texts)
        if "shown" in sent:
            return edit.read()
        return edit.form_of(edit.texts | {name: sent[name] for name in NAMES if name in sent})

    def _read_rule(self) -> tuple[Rule | None, RuleDocument | None]:
        """Return the rule on the page, parsed and as a document; None for both where it is not finished."""
        context = self.edit.context
        rule, problems = context.parsed(self.form)
        if rule is None or problems:
            return None, None
        name = self.form.fields["name"] or "This rule"
        document = self.edit.document_or_none(replace(self.form, fields={**self.form.fields, "name": name}))
        if document is None:
            return None, None
        return parse_rule(rule_source(document), context.vocabulary, context.lists), document

    def _plan_document(self) -> PlanDocument:
        rules = self.edit.rules
        document = rules.configuration.plan_document(rules.key)
        if document is None:
            raise NotFound(f"there is no placement “{rules.key}”", field="placement")
        others = [rule for rule in document.rules if rule.id != self.edit.id]
        own = [self._document] if self._document and self._document.enabled else []
        return msgspec.structs.replace(document, rules=(*others, *own))

    # What comes of the facts

    async def _answer(self) -> tuple[Trial | None, str]:
        document = await asyncio.to_thread(self._plan_document)
        try:
            return await self.frame.engine.trials.answer(self.frame.merchant.id, document, self._facts), ""
        except EngineError as error:
            return None, f"The rules of this placement cannot be tried: {error.detail}."

    def _panel(self, trial: Trial | None, problem: str) -> Panel:
        first, more = self._layout()
        laid = ",".join(first)
        return Panel(
            base=f"{self.edit.address}/try",
            start=self._starts.chosen,
            starts=self._starts.groups,
            find=self.edit.sent.get("find", ""),
            note=self._starts.note,
            facts=inputs_of(first, self._values, self._terms, self.edit.context.vocabulary),
            more=inputs_of(more, self._values, self._terms, self.edit.context.vocabulary),
            laid=laid,
            past=past_text(self._facts, self.edit.context.labels, self.frame.show),
            problem=problem,
            verdict=self._verdict(),
            answer=self._answer_view(trial) if trial else None,
            replaced=self._starts.replaced(laid),
        )

    def _layout(self) -> tuple[list[str], list[str]]:
        """Return the names of the facts that this rule reads, then those of other rules and the rest."""
        own = fields_of(self._rule.condition) if self._rule else ()
        read = [name for rule in self.edit.rules.parsed() for name in fields_of(rule.condition)]
        names = dict.fromkeys([*read, *self._terms.fields])
        first = [name for name in own if name in self._terms.fields]
        return first, [name for name in names if name in self._terms.fields and name not in first]

    def _verdict(self) -> Verdict | None:
        if self._rule is None or self._document is None:
            return None
        context, show = self.edit.context, self.frame.show
        wording = Wording(context.labels, self.frame.merchant.currency, show.money, show.country)
        judge = Judge(self.frame, context.vocabulary, context.lists, wording)
        return judge.verdict(self._rule, self._document, self._values)

    def _answer_view(self, trial: Trial) -> AnswerView:
        positions = self.edit.rules.configuration.colours(self.edit.key)
        return answer_of(self.edit.frame, trial, self.edit.key, self.edit.id, positions)
