"""Check a set of rules statically, before any decision is made with them.

The analysis is exact where fields are finite (booleans, allowed values, countries, currencies) or ordered (numbers,
money, days, timestamps, versions), and reports nothing where it cannot be sure: every conflict that it calls possible
was evaluated on the rules themselves. As in a decision, a rule fires only if its condition is surely true (Kleene's
logic), whatever facts are missing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rules.analysis.boxes import TooManyCases
from rules.analysis.check_conditions import findings_of_condition
from rules.analysis.check_effects import EffectChecker
from rules.analysis.check_emptiness import EmptinessChecker
from rules.analysis.findings import RuleFinding
from rules.analysis.rule_set_analysis import CheckContext, RuleSetAnalysis, effects_of
from rules.language.evaluate import Lists
from rules.language.tree import Call, Literal, Node, Rule

__all__ = ["CheckContext", "RuleFinding", "check_rule", "check_rules", "schedule_findings", "unused_lists"]


def check_rules(rules: Iterable[Rule], context: CheckContext) -> list[RuleFinding]:
    """Return all findings about the rules, in order of priority; give only the enabled rules."""
    analysis = RuleSetAnalysis(rules, context)
    findings = [
        *(finding for rule in analysis.rules for finding in _condition_findings(rule, analysis)),
        *EffectChecker(analysis).findings(),
        *EmptinessChecker(analysis).findings(),
    ]
    positions = {rule.id: position for position, rule in enumerate(analysis.rules)}
    return sorted(findings, key=lambda finding: positions[finding.rule])


def check_rule(rule: Rule, others: Sequence[Rule], context: CheckContext) -> list[RuleFinding]:
    """Return the findings that involve `rule` in the set of `others`; its own come first."""
    subjects = effects_of(rule, context).subjects
    related = (other for other in others if not subjects.isdisjoint(effects_of(other, context).subjects))
    analysis = RuleSetAnalysis([*related, rule], context)
    focus = next(index for index, candidate in enumerate(analysis.rules) if candidate is rule)
    findings = [
        *_condition_findings(rule, analysis),
        *EffectChecker(analysis, focus=focus).findings(),
        *EmptinessChecker(analysis).findings(focus=focus),
    ]
    return sorted(findings, key=lambda finding: finding.rule != rule.id)


def _condition_findings(rule: Rule, analysis: RuleSetAnalysis) -> Iterator[RuleFinding]:
    try:
        yield from findings_of_condition(rule, analysis.space, analysis.context)
    except TooManyCases:
        return


def unused_lists(rules: Iterable[Rule], lists: Lists) -> list[RuleFinding]:
    """Return a finding for each list that no rule reads; `rules` are those of all placements, which share the lists."""
    used = {name for rule in rules for name in _list_names(rule.condition)}
    return [
        RuleFinding(name, "", "unused list", "note", f"No rule uses the list “{name}”.")
        for name in sorted(lists.keys() - used)
    ]


def _list_names(node: Node) -> Iterator[str]:
    if isinstance(node, Literal) and node.type == "list name":
        yield str(node.value)
    elif isinstance(node, Call):
        for part in node.arguments:
            yield from _list_names(part)


def schedule_findings(spans: Mapping[str, tuple[int | None, int | None]], now: int) -> list[RuleFinding]:
    """Return findings for schedules that are over or empty.

    `spans` maps rule ids to the start and end of the rule's activity, None for an open end. Times are whole numbers in
    the same unit as `now`.
    """
    findings = (_schedule_finding(rule_id, start, end, now) for rule_id, (start, end) in spans.items())
    return [finding for finding in findings if finding]


def _schedule_finding(rule_id: str, start: int | None, end: int | None, now: int) -> RuleFinding | None:
    if start is not None and end is not None and end <= start:
        message = "The schedule ends before it begins, so the rule is never active."
        return RuleFinding(rule_id, "/active_to", "schedule empty", "error", message)
    if end is not None and end <= now:
        return RuleFinding(
            rule_id, "/active_to", "schedule over", "note", "The schedule has ended, so the rule is no longer active."
        )
    return None
