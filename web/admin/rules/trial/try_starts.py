"""What a trial may start from: the last decisions, one that was looked for, a saved scenario, examples or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from engine.configuration.configuration import Configuration
from engine.decisions.logbook import Logged
from engine.decisions.replay import facts_of
from engine.intake.context import Intake
from engine.model.errors import NotFound
from engine.model.facts import Facts
from engine.model.placement import Scenario
from engine.model.timestamps import rfc3339
from rules.language.values import read_currency
from web.admin.rules.builder.texts import Terms
from web.admin.rules.trial.panel import OptionGroup
from web.admin.rules.trial.try_facts import read_facts, texts_of
from web.admin.shell.frame import Frame

LAST = 8
SCRATCH, EXAMPLES = "scratch", "examples"
NO_HIT = "No decision and no customer of this placement has this id."


@dataclass(frozen=True)
class TrialScene:
    """The start of a trial: a placement with its fields, and the form of the panel as it was sent."""

    frame: Frame
    configuration: Configuration
    key: str
    terms: Terms
    sent: Mapping[str, str]


@dataclass
class Starts:
    """The decisions to choose from, the most recent first; `note` says where a search had no result."""

    scene: TrialScene
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
        return self.scene.sent.get("find", "") != self.scene.sent.get("looked", "")

    @cached_property
    def chosen(self) -> str:
        """Return the option to start from: the first result of a search, else the chosen one."""
        if self.is_search and self.has_hits:
            return self.decisions[0].row.id
        offered = [value for _, options in self.groups for value, _ in options]
        sent = self.scene.sent.get("start", "")
        return sent if sent in offered else offered[0]

    @property
    def is_new(self) -> bool:
        """Return whether the trial starts from something else than before, so that its facts begin anew."""
        return self.chosen != self.scene.sent.get("started")

    @cached_property
    def facts(self) -> Facts:
        """Return the facts to try: those that the start begins with, or as they were typed since."""
        values = self._values() if self.is_new else read_facts(self.scene.sent, self.scene.terms)
        logged = next((facts_of(each.row) for each in self.decisions if each.row.id == self.chosen), Facts({}))
        return Facts(values, logged.history, logged.customer)

    def replaced(self, laid: str) -> frozenset[str]:
        """Return the parts of the panel that an answer replaces; `laid` names the facts that stand first."""
        parts = {"facts"} if self.is_new or laid != self.scene.sent.get("laid") else set()
        return frozenset(parts | ({"start"} if self.is_search or "started" not in self.scene.sent else set()))

    def _values(self) -> dict[str, Any]:
        """Return the facts that the start begins with, by name, as their inputs hold them."""
        terms = self.scene.terms
        values = {"time.now": rfc3339(self.scene.frame.show.now), **self._stored_values()}
        return read_facts(texts_of(values, terms), terms)

    @property
    def _scenarios(self) -> Sequence[Scenario]:
        scenarios: Sequence[Scenario] = self.scene.configuration.documents("scenario", self.scene.key)
        return scenarios

    def _stored_values(self) -> dict[str, Any]:
        fields, start = self.scene.terms.fields, self.chosen
        for logged in self.decisions:
            if logged.row.id == start:
                return facts_of(logged.row).values
        if start.startswith("scenario:"):
            contexts = {scenario.id: scenario.context for scenario in self._scenarios}
            intake = Intake(self.scene.configuration.fields(), with_engine_fields=True)
            return intake.values(contexts.get(start.removeprefix("scenario:"), {}))
        if start == EXAMPLES:
            return {name: field.examples[0] for name, field in fields.items() if field.examples}
        return {}

    def _described(self, logged: Logged) -> str:
        show, values = self.scene.frame.show, facts_of(logged.row).values
        total, country = values.get("cart.total"), values.get("geo.country")
        parts = [show.ago(logged.row.decided_at)]
        if isinstance(country, str):
            parts.append(show.country(country))
        if type(total) is int:
            currency = read_currency(values.get("cart.currency")) or self.scene.frame.merchant.currency
            parts.append(show.money(total, currency))
        return ", ".join(parts)


async def load_starts(scene: TrialScene) -> Starts:
    """Load the decisions to start from: those that are looked for, else the last ones."""
    last = await _last(scene)
    find = scene.sent.get("find", "").strip()
    if not find:
        return Starts(scene, last)
    hits = await _hits(scene, find)
    return Starts(scene, hits, has_hits=True) if hits else Starts(scene, last, note=NO_HIT)


async def _last(scene: TrialScene) -> Sequence[Logged]:
    """Load the last decisions, and the one started from where that is not among them any more."""
    logbook, merchant_id, start = scene.frame.engine.logbook, scene.frame.merchant.id, scene.sent.get("start", "")
    last = await logbook.search(merchant_id, placement=scene.key, limit=LAST)
    if start.startswith("dec_") and start not in [logged.row.id for logged in last]:
        with suppress(NotFound):
            logged = await logbook.get(merchant_id, start)
            return [*last, logged] if logged.row.placement == scene.key else last
    return last


async def _hits(scene: TrialScene, find: str) -> Sequence[Logged]:
    """Load the decision with this id, or the last ones of the customer with this id."""
    logbook, merchant_id = scene.frame.engine.logbook, scene.frame.merchant.id
    try:
        logged = await logbook.get(merchant_id, find)
    except NotFound:
        return await logbook.search(merchant_id, placement=scene.key, customer_id=find, limit=LAST)
    return [logged] if logged.row.placement == scene.key else []
