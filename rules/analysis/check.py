"""Static analysis of a set of rules: what can be known of them before anybody checks out.

Exact where the fields are finite (booleans, allowed values, countries, currencies) or ordered (numbers, money,
days, moments, versions), and silent where nothing is known for sure: what is called possible was tried on the rules
themselves. Conditions count as in a decision: a rule fires only if surely true (Kleene's logic), whatever is missing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rules.analysis.boxes import TooMuch
from rules.analysis.check_conditions import findings_of_condition
from rules.analysis.check_effects import Effects
from rules.analysis.check_emptiness import Emptiness
from rules.analysis.findings import Finding
from rules.analysis.study import Setting, Study, deeds_of
from rules.language.evaluate import Lists
from rules.language.tree import Call, Literal, Node, Rule

__all__ = ["Finding", "Setting", "check_rule", "check_rules", "schedule_findings", "unused_lists"]


def check_rules(rules: Iterable[Rule], setting: Setting) -> list[Finding]:
    """All findings about the rules (only the enabled ones should be given), by the order in which they are tried."""
    study = Study(rules, setting)
    found = [
        *(finding for rule in study.rules for finding in _of_condition(rule, study)),
        *Effects(study).findings(),
        *Emptiness(study).findings(),
    ]
    place = {rule.id: number for number, rule in enumerate(study.rules)}
    return sorted(found, key=lambda finding: place[finding.rule])


def check_rule(rule: Rule, others: Sequence[Rule], setting: Setting) -> list[Finding]:
    """The findings in which `rule` takes part, beside the `others` of its set; its own come first."""
    subjects = deeds_of(rule, setting).subjects
    related = (other for other in others if not subjects.isdisjoint(deeds_of(other, setting).subjects))
    study = Study([*related, rule], setting)
    focus = next(number for number, one in enumerate(study.rules) if one is rule)
    found = [
        *_of_condition(rule, study),
        *Effects(study, focus=focus).findings(),
        *Emptiness(study).findings(focus=focus),
    ]
    return sorted(found, key=lambda finding: finding.rule != rule.id)


def _of_condition(rule: Rule, study: Study) -> Iterator[Finding]:
    try:
        yield from findings_of_condition(rule, study.space, study.setting)
    except TooMuch:
        return


def unused_lists(rules: Iterable[Rule], lists: Lists) -> list[Finding]:
    """The lists that no rule looks at; `rules` are those of all placements, as lists are shared by them."""
    used = {name for rule in rules for name in _list_names(rule.condition)}
    return [
        Finding(name, "", "unused list", "note", f"No rule looks at the list “{name}”.")
        for name in sorted(lists.keys() - used)
    ]


def _list_names(node: Node) -> Iterator[str]:
    if isinstance(node, Literal) and node.type == "list name":
        yield str(node.value)
    elif isinstance(node, Call):
        for part in node.arguments:
            yield from _list_names(part)


def schedule_findings(spans: Mapping[str, tuple[int | None, int | None]], now: int) -> list[Finding]:
    """Schedules that are over or empty: from and until when rules are active, by their ids; None is an open end.

    Times are whole numbers of one unit, `now` as well.
    """
    return [finding for id_, (start, end) in spans.items() if (finding := _of_schedule(id_, start, end, now))]


def _of_schedule(rule: str, start: int | None, end: int | None, now: int) -> Finding | None:
    if start is not None and end is not None and end <= start:
        message = "The schedule ends before it begins, so the rule is never active."
        return Finding(rule, "/active_to", "schedule empty", "error", message)
    if end is not None and end <= now:
        return Finding(
            rule, "/active_to", "schedule over", "note", "The schedule is over: the rule is not active any more."
        )
    return None
