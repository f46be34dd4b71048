"""What the panel that tries a customer shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from web.admin.rules.trial.try_facts import FactInput
from web.admin.rules.trial.try_words import AnswerView, Verdict

OptionGroup = tuple[str, Sequence[tuple[str, str]]]
"""Options of a choice under one title: a value and a text each."""


@dataclass(frozen=True)
class Panel:
    """The contents of the panel.

    `starts` are the choices to start from and `start` the chosen one, `find` what was looked for and `note` what came
    of it. `facts` are those that the rule reads, `more` the others; `laid` names `facts`, to see when they change.
    `replaced` names the parts that an answer to htmx replaces besides the outcome: `start`, `facts`.
    """

    base: str
    start: str
    starts: Sequence[OptionGroup]
    find: str
    note: str
    facts: Sequence[FactInput]
    more: Sequence[FactInput]
    laid: str
    past: str
    problem: str
    verdict: Verdict | None
    answer: AnswerView | None
    replaced: frozenset[str] = frozenset()
