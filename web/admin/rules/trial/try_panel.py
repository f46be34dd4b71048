"""Try this customer: facts to edit beside a rule, and what would come of them as the page stands."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from markupsafe import Markup

from engine.configuration.scenarios import expectation_of
from engine.configuration.trial import Trial
from engine.decisions.logbook import Logged
from engine.decisions.replay import facts_of
from engine.kernel.plan import PlanDocument, rule_source
from engine.kernel.scenario_check import nested
from engine.model.errors import EngineError, Invalid, NotFound
from engine.model.facts import Declared, Facts
from engine.model.placement import FieldDocument, RuleDocument, Scenario
from engine.model.timestamps import rfc3339
from rules import Rule, Wording, parse_rule
from rules.language.tree import fields_of
from web.admin.candidates.candidate_list import positions_of
from web.admin.rules.builder.history import History, unpacked
from web.admin.rules.builder.rule_form import Draft, read_draft
from web.admin.rules.rule_page import NAMES, NEW, RuleEdit, RulePage, document_of
from web.admin.rules.rule_set import rule_set
from web.admin.rules.trial.try_facts import FactInput, inputs_of, read_facts, texts_of
from web.admin.rules.trial.try_words import AnswerView, Judge, Verdict, answer_of
from web.admin.shell.admission import AnyRequest, several_typed
from web.admin.shell.frame import Frame
from web.admin.shell.render import SWAPPED, Page, names_of

LAST = 8
SCRATCH, EXAMPLES = "scratch", "examples"
UNREADABLE = "The rule is not finished, so the answer is the one without it."


@dataclass(frozen=True)
class Panel:
    """The panel; `answers` names the parts that an answer to htmx brings besides the outcome."""

    base: str
    start: str
    starts: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    find: str
    found: str
    facts: Sequence[FactInput]
    more: Sequence[FactInput]
    laid: str
    past: str
    problem: str
    verdict: Verdict | None
    answer: AnswerView | None
    answers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TriedPage(RulePage):
    """The rule's page with what was tried in it, for browsers without scripts."""

    tried: Panel | None = None


@dataclass(frozen=True)
class TriedFragment:
    """What came of it, and the parts of the panel that must follow."""

    tried: Panel
    oob: Markup


@dataclass(frozen=True)
class SavedFragment:
    """What became of the facts that were saved."""

    name: str
    href: str


@get("/rules/{key:str}/{id:str}/try")
async def try_page(frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]) -> Page:
    """The rule's page with the panel filled in."""
    return await _whole(await _trying(frame, key, id, {}))


@post("/rules/{key:str}/{id:str}/try", status_code=200)
async def try_customer(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Page:
    """What these facts come to, with the rule as it stands on the page."""
    trying = await _trying(frame, key, id, await several_typed(request))
    if not frame.is_htmx:
        return await _whole(trying)
    return frame.page("rules/trial/_try_answer.html", TriedFragment(await trying.panel(), SWAPPED))


@post("/rules/{key:str}/{id:str}/try/scenario", status_code=200)
async def save_as_scenario(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Keep the facts, with what is certain of their answer, as a scenario."""
    frame.must_draft()
    trying = await _trying(frame, key, id, await several_typed(request))
    made = await trying.scenario()
    await frame.engine.catalogue.create(frame.actor, "scenario", key, [made])
    address = f"/admin/placements/{key}/scenarios/{made.id}"
    if not frame.is_htmx:
        return frame.go(address)
    return frame.page("rules/trial/_try_saved.html", SavedFragment(made.name, address))


async def _whole(trying: Trying) -> Page:
    page = TriedPage(**names_of(trying.page()), tried=await trying.panel())
    return trying.frame.page("rules/rule.html", page)


async def _trying(frame: Frame, key: str, id: str, given: Mapping[str, Sequence[str]]) -> Trying:
    rules = await rule_set(frame, key)
    stored = rules.find(id)
    if stored is None and id != NEW:
        raise NotFound(f"there is no rule “{id}” in placement “{key}”", field="id")
    edit = RuleEdit(frame, rules, stored, given)
    last = await frame.engine.logbook.search(frame.merchant.id, placement=key, limit=LAST)
    return Trying(edit, await _with_the_one_started_from(edit, last))


async def _with_the_one_started_from(edit: RuleEdit, last: Sequence[Logged]) -> Sequence[Logged]:
    """What is edited may have begun with a decision that is not among the last any more."""
    wanted, frame = edit.sent.get("start", ""), edit.frame
    if wanted.startswith("dec_") and wanted not in [one.row.id for one in last]:
        with suppress(NotFound):
            one = await frame.engine.logbook.get(frame.merchant.id, wanted)
            return [*last, one] if one.row.placement == edit.key else last
    return last


class Trying:
    """One request to try a customer on the rule of a sitting."""

    def __init__(self, edit: RuleEdit, last: Sequence[Logged]) -> None:
        self.edit = edit
        self.frame = edit.frame
        self._last = last
        self._sent = edit.sent
        self._terms = edit.context.terms
        self._draft = self._draft_on_the_page()
        self._rule, self._document = self._read_rule()

    def page(self) -> RulePage:
        """The rule's own page, with all that is typed there."""
        history = unpacked(self._sent.get("history", "")) if "history" in self._sent else History()
        return self.edit.page(self._draft, history)

    async def panel(self) -> Panel:
        """What stands in the panel now."""
        logged, found = await self._looked_for()
        start = self._start(logged)
        is_new = start != self._sent.get("started")
        values = self._values_of(start, logged) if is_new else read_facts(self._sent, self._terms)
        facts = Facts(values, self._history_of(start, logged))
        first, more = self._layout()
        laid = ",".join(first)
        trial, problem = await self._tried(facts)
        return Panel(
            base=self._base(),
            start=start,
            starts=self._starts(logged),
            find=self._sent.get("find", ""),
            found=found,
            facts=inputs_of(first, values, self._terms, self.edit.context.vocabulary),
            more=inputs_of(more, values, self._terms, self.edit.context.vocabulary),
            laid=laid,
            past=self._past(facts),
            problem=problem or (UNREADABLE if self._rule is None else ""),
            verdict=await self._verdict(values),
            answer=self._answer(trial, facts) if trial else None,
            answers=self._answers(is_new or laid != self._sent.get("laid")),
        )

    async def scenario(self) -> Scenario:
        """The facts as they are, with what is certain of their answer; `Invalid` where the rules make no plan."""
        values = read_facts(self._sent, self._terms)
        trial = await self.frame.engine.trials.answer(self.frame.merchant.id, self._plan_document(), Facts(values))
        name = self._sent.get("scenario", "").strip()[:120]
        return Scenario(
            id=f"tried-{token_hex(5)}",
            name=name or f"Tried {self.frame.show.moment(self.frame.show.now)}",
            context=nested(values),
            expect=expectation_of(trial.plan, values),
        )

    # The rule as it stands on the page

    def _draft_on_the_page(self) -> Draft:
        if "shown" in self._sent:
            return read_draft(self.edit.given, tuple(NAMES), self._terms)
        texts = self.edit.texts | {name: self._sent[name] for name in NAMES if name in self._sent}
        return Draft({name: texts[name] for name in NAMES})

    def _read_rule(self) -> tuple[Rule | None, RuleDocument | None]:
        stored, context = self.edit.stored, self.edit.context
        rule, problems = context.parsed(self._draft)
        if rule is None or problems:
            return None, None
        named = {**self._draft.texts, "name": self._draft.texts["name"] or "This rule"}
        id = stored.id if stored else NEW
        try:
            document = document_of(named, self._terms, id=id, old=stored.shown if stored else None)
        except Invalid:
            return None, None
        return parse_rule(rule_source(document), context.vocabulary, context.lists), document

    def _plan_document(self) -> PlanDocument:
        rules, mine = self.edit.rules, self._document
        document = rules.configuration.plan_document(rules.key)
        if document is None:
            raise NotFound(f"there is no placement “{rules.key}”", field="placement")
        id = self.edit.stored.id if self.edit.stored else NEW
        others = [rule for rule in document.rules if rule.id != id]
        return msgspec.structs.replace(document, rules=(*others, *([mine] if mine and mine.enabled else [])))

    # The facts

    async def _looked_for(self) -> tuple[Sequence[Logged], str]:
        """The decisions to start from: the last ones, or those that were looked for; and what to say of the search."""
        find, key = self._sent.get("find", "").strip(), self.edit.key
        if not find:
            return self._last, ""
        logbook, merchant_id = self.frame.engine.logbook, self.frame.merchant.id
        try:
            one = await logbook.get(merchant_id, find)
            hits = [one] if one.row.placement == key else []
        except NotFound:
            hits = await logbook.search(merchant_id, placement=key, customer_id=find, limit=LAST)
        return (hits, "") if hits else (self._last, "No decision has this id, and no customer of this placement.")

    def _start(self, logged: Sequence[Logged]) -> str:
        offered = [value for _, options in self._starts(logged) for value, _ in options]
        wanted = self._sent.get("start", "")
        if self._is_search and logged is not self._last:
            return logged[0].row.id
        return wanted if wanted in offered else offered[0]

    @property
    def _is_search(self) -> bool:
        return self._sent.get("find", "") != self._sent.get("looked", "")

    def _answers(self, is_new: bool) -> frozenset[str]:
        parts = {"facts"} if is_new else set()
        return frozenset(parts | {"start"} if self._is_search or "started" not in self._sent else parts)

    def _starts(self, logged: Sequence[Logged]) -> Sequence[tuple[str, Sequence[tuple[str, str]]]]:
        scenarios: Sequence[Scenario] = self.edit.rules.configuration.documents("scenario", self.edit.key)
        groups = [
            ("A decision", [(one.row.id, self._named(one)) for one in logged]),
            ("A saved scenario", [(f"scenario:{one.id}", one.name) for one in scenarios]),
            ("Scratch", [(EXAMPLES, "Examples of the fields"), (SCRATCH, "No facts but the time")]),
        ]
        return [(title, options) for title, options in groups if options]

    def _named(self, one: Logged) -> str:
        show, values = self.frame.show, facts_of(one.row).values
        total, country = values.get("cart.total"), values.get("geo.country")
        parts = [show.ago(one.row.decided_at)]
        if isinstance(country, str):
            parts.append(show.country(country))
        if type(total) is int:
            parts.append(show.money(total, self.frame.merchant.currency))
        return ", ".join(parts)

    def _values_of(self, start: str, logged: Sequence[Logged]) -> dict[str, Any]:
        """The facts that a start begins with, as their inputs hold them."""
        values = self._raw_values(start, logged)
        values.setdefault("time.now", rfc3339(self.frame.show.now))
        return read_facts(texts_of(values, self._terms), self._terms)

    def _raw_values(self, start: str, logged: Sequence[Logged]) -> dict[str, Any]:
        for one in logged:
            if one.row.id == start:
                return facts_of(one.row).values
        if start.startswith("scenario:"):
            scenarios: Sequence[Scenario] = self.edit.rules.configuration.documents("scenario", self.edit.key)
            context = {one.id: one.context for one in scenarios}.get(start.removeprefix("scenario:"), {})
            return Declared(frozenset(self._terms.fields)).flatten(context)
        return _examples(self._terms.fields.values()) if start == EXAMPLES else {}

    def _history_of(self, start: str, logged: Sequence[Logged]) -> Any:
        return next((facts_of(one.row).history for one in logged if one.row.id == start), {})

    def _past(self, facts: Facts) -> str:
        labels, count = self.edit.context.labels, self.frame.show.count
        bought = {id: past.purchases for id, past in facts.history.items() if past.purchases}
        ranked = sorted(bought.items(), key=lambda pair: -pair[1])
        return ", ".join(f"{count(times, 'purchase')} with {labels.get(id, id)}" for id, times in ranked)

    def _layout(self) -> tuple[list[str], list[str]]:
        """What this rule reads, then what the placement's other rules read and the rest."""
        mine = fields_of(self._rule.condition) if self._rule else ()
        read = [name for rule in self.edit.rules.parsed() for name in fields_of(rule.condition)]
        names = dict.fromkeys([*read, *self._terms.fields])
        first = [name for name in mine if name in self._terms.fields]
        return first, [name for name in names if name in self._terms.fields and name not in first]

    # What comes of them

    async def _tried(self, facts: Facts) -> tuple[Trial | None, str]:
        try:
            return await self.frame.engine.trials.answer(self.frame.merchant.id, self._plan_document(), facts), ""
        except EngineError as error:
            return None, f"The rules of this placement cannot be tried: {error.detail}."

    async def _verdict(self, values: Mapping[str, Any]) -> Verdict | None:
        if self._rule is None or self._document is None:
            return None
        context, show = self.edit.context, self.frame.show
        wording = Wording(context.labels, self.frame.merchant.currency, show.money, show.country)
        judge = Judge(self.frame, context.vocabulary, context.lists, wording)
        return await asyncio.to_thread(judge.verdict, self._rule, self._document, values)

    def _answer(self, trial: Trial, facts: Facts) -> AnswerView:
        positions = positions_of(self.edit.rules.configuration.documents("candidate", self.edit.key))
        id = self.edit.stored.id if self.edit.stored else NEW
        return answer_of(trial, self.edit.key, id, positions)

    def _base(self) -> str:
        id = self.edit.stored.id if self.edit.stored else NEW
        return f"/admin/rules/{self.edit.key}/{id}/try"


def _examples(fields: Iterable[FieldDocument]) -> dict[str, Any]:
    return {field.name: field.examples[0] for field in fields if field.examples}
