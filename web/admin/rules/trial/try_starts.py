"""What a trial may start from: the last decisions, one that was looked for, a saved scenario, examples or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from engine.decisions.logbook import Logged
from engine.decisions.replay import facts_of
from engine.intake.context import Intake
from engine.model.errors import NotFound
from engine.model.placement import Scenario
from engine.model.timestamps import rfc3339
from rules.language.values import read_currency
from web.admin.rules.rule_edit import RuleEdit
from web.admin.rules.trial.panel import OptionGroup
from web.admin.rules.trial.try_facts import read_facts, texts_of

LAST = 8
SCRATCH, EXAMPLES = "scratch", "examples"
NO_HIT = "No decision and no customer of this placement has this id."


@dataclass(frozen=True)
class Starts:
    """The decisions to choose from, the most recent first; `note` says where a search had no result."""

    edit: RuleEdit
    decisions: Sequence[Logged]
    has_hits: bool = False
    note: str = ""

    @property
    def groups(self) -> Sequence[OptionGroup]:
        """Return the options of the choice by group: a value and a text each."""
        groups = [
            ("A decision", [(logged.row.id, self._described(logged)) for logged in self.decisions]),
            ("A saved scenario", [(f"scenario:{scenario.id}", scenario.name) for scenario in self._scenarios]),
            ("Scratch", [(EXAMPLES, "Examples of the fields"), (SCRATCH, "No facts but the time")]),
        ]
        return [(title, options) for title, options in groups if options]

    @property
    def is_search(self) -> bool:
        """Return whether something else is looked for than before."""
        return self.edit.sent.get("find", "") != self.edit.sent.get("looked", "")

    @property
    def chosen(self) -> str:
        """Return the option to start from: the first result of a search, else the chosen one."""
        if self.is_search and self.has_hits:
            return self.decisions[0].row.id
        offered = [value for _, options in self.groups for value, _ in options]
        sent = self.edit.sent.get("start", "")
        return sent if sent in offered else offered[0]

    def values(self, start: str) -> dict[str, Any]:
        """Return the facts that a start begins with, by name, as their inputs hold them."""
        terms = self.edit.context.terms
        values = {"time.now": rfc3339(self.edit.frame.show.now), **self._stored_values(start)}
        return read_facts(texts_of(values, terms), terms)

    def history(self, start: str) -> Any:
        """Return the customer's past at the decision to start from; empty for other starts."""
        return next((facts_of(logged.row).history for logged in self.decisions if logged.row.id == start), {})

    @property
    def _scenarios(self) -> Sequence[Scenario]:
        scenarios: Sequence[Scenario] = self.edit.rules.configuration.documents("scenario", self.edit.key)
        return scenarios

    def _stored_values(self, start: str) -> dict[str, Any]:
        fields = self.edit.context.terms.fields
        for logged in self.decisions:
            if logged.row.id == start:
                return facts_of(logged.row).values
        if start.startswith("scenario:"):
            contexts = {scenario.id: scenario.context for scenario in self._scenarios}
            intake = Intake(self.edit.rules.configuration.fields(), with_engine_fields=True)
            return intake.values(contexts.get(start.removeprefix("scenario:"), {}))
        if start == EXAMPLES:
            return {name: field.examples[0] for name, field in fields.items() if field.examples}
        return {}

    def _described(self, logged: Logged) -> str:
        show, values = self.edit.frame.show, facts_of(logged.row).values
        total, country = values.get("cart.total"), values.get("geo.country")
        parts = [show.ago(logged.row.decided_at)]
        if isinstance(country, str):
            parts.append(show.country(country))
        if type(total) is int:
            currency = read_currency(values.get("cart.currency")) or self.edit.frame.merchant.currency
            parts.append(show.money(total, currency))
        return ", ".join(parts)


async def load_starts(edit: RuleEdit) -> Starts:
    """Load the decisions to start from: those that are looked for, else the last ones."""
    last = await _last(edit)
    find = edit.sent.get("find", "").strip()
    if not find:
        return Starts(edit, last)
    hits = await _hits(edit, find)
    return Starts(edit, hits, has_hits=True) if hits else Starts(edit, last, note=NO_HIT)


async def _last(edit: RuleEdit) -> Sequence[Logged]:
    """Load the last decisions, and the one started from where that is not among them any more."""
    logbook, merchant_id, start = edit.frame.engine.logbook, edit.frame.merchant.id, edit.sent.get("start", "")
    last = await logbook.search(merchant_id, placement=edit.key, limit=LAST)
    if start.startswith("dec_") and start not in [logged.row.id for logged in last]:
        with suppress(NotFound):
            logged = await logbook.get(merchant_id, start)
            return [*last, logged] if logged.row.placement == edit.key else last
    return last


async def _hits(edit: RuleEdit, find: str) -> Sequence[Logged]:
    """Load the decision with this id, or the last ones of the customer with this id."""
    logbook, merchant_id = edit.frame.engine.logbook, edit.frame.merchant.id
    try:
        logged = await logbook.get(merchant_id, find)
    except NotFound:
        return await logbook.search(merchant_id, placement=edit.key, customer_id=find, limit=LAST)
    return [logged] if logged.row.placement == edit.key else []
