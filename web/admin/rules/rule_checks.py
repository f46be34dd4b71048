"""What the checks find in all rules of a placement, for their list: counted beside the event loop, once a revision."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from engine.configuration.draft_overlay import DraftItem
from engine.service import Engine
from rules.analysis.check import RuleFinding
from web.admin.rules.builder.rule_view import RuleContext
from web.admin.rules.draft_rules import DraftRules
from web.admin.shell.frame import Frame

SOON_SECONDS = 0.25
MOST_REMEMBERED = 32
At = tuple[int, str, int, int, int]
Findings = Mapping[str, Sequence[RuleFinding]]


@dataclass(frozen=True)
class Flag:
    """The number of findings of a rule, in words with their look, and the address of its page."""

    name: str
    href: str
    text: str
    look: str


@dataclass(frozen=True)
class Checks:
    """The findings by rule id; `done` is False while a large set is still being checked."""

    done: bool
    flags: Mapping[str, Flag]

    @property
    def flagged(self) -> list[Flag]:
        """Return the flags in the order of the rules."""
        return list(self.flags.values())

    def among(self, rules: Sequence[DraftItem]) -> Checks:
        """Return the findings in these rules."""
        return Checks(self.done, {rule.id: self.flags[rule.id] for rule in rules if rule.id in self.flags})


NOTHING_FOUND = Checks(True, {})


async def findings_of(frame: Frame, rules: DraftRules) -> Findings:
    """Return what the checks find, by rule; nothing while a large set is still being checked."""
    task = _task(frame, rules)
    await asyncio.wait({task}, timeout=SOON_SECONDS)
    return task.result() if task.done() else {}


async def checks_of(frame: Frame, rules: DraftRules) -> Checks:
    """Return the findings of the checks, if they are ready soon enough for a page."""
    task = _task(frame, rules)
    await asyncio.wait({task}, timeout=SOON_SECONDS)
    if not task.done():
        return Checks(False, {})
    findings = task.result()
    flags = {
        rule.id: _flag(frame, f"{frame.base}/rules/{rules.key}/{rule.id}", rule.shown.name, findings[rule.id])
        for rule in rules.draft.rules
        if rule.id in findings
    }
    return Checks(True, flags)


def _flag(frame: Frame, href: str, name: str, findings: Sequence[RuleFinding]) -> Flag:
    only_notes = all(finding.severity == "note" for finding in findings)
    text = frame.show.count(len(findings), "note" if only_notes else "finding")
    return Flag(name, f"{href}#rule-found", text, "plain" if only_notes else "warn")


_TASKS: WeakKeyDictionary[Engine, dict[At, asyncio.Task[Findings]]] = WeakKeyDictionary()
"""Many look at the same list; the rules of one revision are checked once."""


def _task(frame: Frame, rules: DraftRules) -> asyncio.Task[Findings]:
    tasks = _TASKS.setdefault(frame.engine, {})
    revision = (*rules.revision, rules.traffic.read_at)
    if revision not in tasks:
        while len(tasks) >= MOST_REMEMBERED:
            del tasks[next(iter(tasks))]
        tasks[revision] = asyncio.create_task(asyncio.to_thread(_find, frame, rules))
    return tasks[revision]


def _find(frame: Frame, rules: DraftRules) -> Findings:
    by_rule: dict[str, list[RuleFinding]] = {}
    for finding in RuleContext(rules, frame.merchant, frame.show, id="").findings_of_all():
        by_rule.setdefault(finding.rule, []).append(finding)
    return by_rule
