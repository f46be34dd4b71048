"""How often a rule fires, what it lacks, and what it does to the reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.clock import now_ms
from engine.configuration.configuration import Configuration
from engine.configuration.draft_overlay import DraftItem
from engine.decisions.usage import DAYS, NEVER, FieldUses, RuleUses, Waiting, first_day
from engine.kernel.plan import lists_of, rule_source
from engine.model.timestamps import DAY, ms_of
from engine.previews.alternatives import Alternative
from rules import Rule, RuleError, Vocabulary, parse_rule
from rules.analysis.check import RuleFinding, schedule_findings, unused_lists
from rules.wording.terms import listed
from web.admin.changes.preview_report import RULE, report_of
from web.admin.rules.draft_rules import DraftRules, load_rules
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page
from web.charts.candidate_charts import Spec
from web.charts.usage_charts import fired_by_day

WEEK = 7


@dataclass(frozen=True)
class Lack:
    """A field for lack of which the rule was skipped."""

    label: str
    times: int
    share: float


@dataclass(frozen=True)
class UsesPage:
    """The card of one rule; `effect` is what it brings, as the last comparison found; empty without any."""

    name: str
    rule_id: str
    placement: str
    base: str
    summary: str
    last_fired: int | None
    warning: str
    lacks: Sequence[Lack]
    days: Sequence[tuple[int, int]]
    chart: Spec | None
    may_try: bool
    running: bool
    effect: str
    reason: str


@get("/rules/{key:str}/{id:str}/uses")
async def rule_uses(frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]) -> Page:
    """Show how often a rule fires, as the card of its page or as a page of its own."""
    rules = await load_rules(frame, key)
    rule = rules.get(id)
    noted = await notes_of(frame, rules)
    uses, vocabulary = noted.uses.get(id, NEVER), rules.configuration.vocabulary()
    first, last = first_day(DAYS), now_ms() // DAY
    days = [(day, uses.by_day.get(day, 0)) for day in range(first, last + 1)]
    running, effect, reason = await _effect(frame, rules, rule)
    page = UsesPage(
        name=rule.shown.name,
        rule_id=id,
        placement=key,
        base=f"{frame.base}/rules/{key}/{id}",
        summary=_summary(frame, uses),
        last_fired=uses.last_fired,
        warning=noted.lacking(id),
        lacks=[
            Lack(label_of(vocabulary, name), times, times / uses.skipped)
            for name, times in sorted(uses.lacked.items(), key=lambda pair: -pair[1])
        ],
        days=days,
        chart=fired_by_day(days, show=frame.show) if uses.fired else None,
        may_try=rule.after is not None and rule.after.enabled,
        running=running,
        effect=effect,
        reason=reason,
    )
    return frame.form("rules/rule_uses.html", "rules/_rule_uses.html", page)


def _summary(frame: Frame, uses: RuleUses) -> str:
    if uses.fired:
        return f"It fired {frame.show.count(uses.fired, 'time')} in the last {DAYS} days."
    return f"It did not fire in the last {DAYS} days."


async def _effect(frame: Frame, rules: DraftRules, rule: DraftItem) -> tuple[bool, str, str]:
    """Return whether the comparison with and without the rule runs, its result, and how certain that is."""
    alternative = Alternative("off", rule.id)
    last = await frame.engine.previews.newest(frame.merchant.id, rules.key, alternative=alternative)
    if last is None or last.result is None:
        return bool(last and last.running), "", ""
    report = report_of(frame, last.result, rules.key, RULE, rules.configuration.colours(rules.key))
    return False, report.verdict, report.reason


@dataclass(frozen=True)
class Notes:
    """Texts about each rule of a placement: its use, its schedule, and fields that nobody sends."""

    uses: Mapping[str, RuleUses]
    fields: FieldUses
    rules: Mapping[str, Rule]
    vocabulary: Vocabulary
    schedules: Mapping[str, RuleFinding]
    lists: Sequence[RuleFinding]

    def fired(self, id: str, *, days: int = WEEK) -> int:
        """Return how often a rule fired in the last days."""
        return self.uses.get(id, NEVER).fired_since(first_day(days))

    def lacking(self, id: str) -> str:
        """Return a warning where a rule needs facts that are never sent."""
        lacking = self.fields.waiting_for(self.rules[id]) if id in self.rules else None
        return lacking_text(lacking, self.vocabulary) if lacking else ""

    def warning(self, id: str) -> str:
        """Return the warning of a rule for its row, if there is one."""
        schedule = self.schedules.get(id)
        return self.lacking(id) or (schedule.message if schedule else "")


async def notes_of(frame: Frame, rules: DraftRules) -> Notes:
    """Return all notes of a placement's rules."""
    uses = frame.engine.uses
    spans = {rule.id: (_moment(rule.active_from), _moment(rule.active_to)) for rule in rules.documents}
    return Notes(
        await uses.rules(frame.merchant.id, rules.key),
        await uses.fields(frame.merchant.id),
        {rule.id: rule for rule in rules.parsed()},
        rules.configuration.vocabulary(),
        {finding.rule: finding for finding in schedule_findings(spans, frame.show.now)},
        unused_lists(_all_rules(rules), lists_of(rules.configuration.documents("list"))),
    )


def _all_rules(rules: DraftRules) -> list[Rule]:
    """Return the rules of this placement's draft and of other placements: lists are shared."""
    configuration = rules.configuration
    if not configuration.documents("list"):
        return []
    others = [placement.key for placement in configuration.placements if placement.key != rules.key]
    return [*rules.parsed(), *(rule for key in others for rule in _published(configuration, key))]


def _published(configuration: Configuration, key: str) -> list[Rule]:
    vocabulary, lists, parsed = configuration.vocabulary(), lists_of(configuration.documents("list")), []
    for document in configuration.documents("rule", key):
        try:
            parsed.append(parse_rule(rule_source(document), vocabulary, lists))
        except RuleError:
            continue
    return parsed


def lacking_text(lacking: Waiting, vocabulary: Vocabulary) -> str:
    """Warn that a rule needs facts that are never sent."""
    names = listed([label_of(vocabulary, name) for name in lacking.fields], "and")
    tail = "this rule uses it" if len(lacking.fields) == 1 else "this rule uses them"
    return f"{names} never arrived in the last {DAYS} days: {tail if lacking.can_fire else 'this rule cannot fire'}."


def label_of(vocabulary: Vocabulary, name: str) -> str:
    """Return the label of a field, or its name."""
    field = vocabulary.get(name)
    return (field and field.label) or name


def _moment(text: str | None) -> int | None:
    return ms_of(text) if text else None


handlers = [rule_uses]
