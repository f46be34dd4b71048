"""Checks of rules and candidates against recent decisions: facts that never arrive, values that nobody sends. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from engine.insights.traffic import NO_TRAFFIC, Traffic
from engine.kernel.eligibility import Eligibility
from engine.model.placement import Candidate
from rules import Rule, candidates_of, compile_rules, parse_rules
from rules.analysis.check import CheckContext, check_rule
from rules.analysis.findings import RuleFinding, Severity
from rules.language.tree import Call, Node, fields_of
from rules.wording.describe import describe, value_in_words
from rules.wording.terms import listed

MOST_VALUES = 3
TIME = "time."
MARK: tuple[dict[str, Any], ...] = ({"set": {"name": "holds", "value": True}},)


class TrafficContext(NamedTuple):
    """The input of traffic checks: recent decisions, and the candidates."""

    traffic: Traffic = NO_TRAFFIC
    candidates: Sequence[Candidate] = ()


NOTHING_SEEN = TrafficContext()


def traffic_findings(rules: Sequence[Rule], sample: TrafficContext, context: CheckContext) -> list[RuleFinding]:
    """Return what the traffic says of each rule; give only enabled rules."""
    fired = _times_fired(rules, sample, context)
    findings = []
    for number, rule in enumerate(rules):
        lacking = list(_never_sent(rule, sample, context))
        findings += lacking
        findings += _not_offered(rule, sample, context)
        if not lacking and sample.traffic.is_enough and not fired[number]:
            findings += _never_true(rule, sample, context)
    return findings


def candidate_warning(candidate: Candidate, traffic: Traffic, currency: str | None) -> str:
    """Say why no recent decision could have offered a candidate; empty if one could, or where too few are there."""
    if not traffic.is_enough:
        return ""
    limits = Eligibility((msgspec.structs.replace(candidate, enabled=True),), currency)
    reasons = Counter(limits.exclusions(values).get(0, "") for values in traffic.facts)
    if reasons[""]:
        return ""
    reason, _ = reasons.most_common(1)[0]
    return f"None of {len(traffic.facts):,} decisions of the last week could have offered it: {reason}."


def _times_fired(rules: Sequence[Rule], sample: TrafficContext, context: CheckContext) -> list[int]:
    compiled = compile_rules(tuple(rules), context.vocabulary, context.lists)
    positions = {rule.id: number for number, rule in enumerate(rules)}
    numbers = [positions[rule.id] for rule in compiled.rules]
    times = [0] * len(rules)
    for values in sample.traffic.facts:
        for number in compiled.evaluate(values).fired:
            times[numbers[number]] += 1
    return times


def _never_sent(rule: Rule, sample: TrafficContext, context: CheckContext) -> Iterator[RuleFinding]:
    lacking = sample.traffic.fields.waiting_for(rule)
    if lacking is None:
        return
    names = listed([_label(name, context) for name in lacking.fields], "and")
    tail = "uses it" if lacking.can_fire else "has not fired and will not"
    message = f"Your checkout has not sent {names} in the last 30 days: this rule {tail}."
    severity: Severity = "note" if lacking.can_fire else "warning"
    yield RuleFinding(rule.id, rule.condition.path, "never sent", severity, message)


def _never_true(rule: Rule, sample: TrafficContext, context: CheckContext) -> Iterator[RuleFinding]:
    """Name the parts of a condition that were true in no decision; parts about the time are left out."""
    clauses = [clause for clause in _clauses(rule.condition) if _can_be_judged(clause)]
    times = _times_true(clauses, sample, context)
    total = f"{len(sample.traffic.facts):,} decisions of the last week"
    never = [clause for clause, count in zip(clauses, times, strict=True) if not count]
    for clause in never:
        text = describe(clause, context.vocabulary, context.wording)
        message = f"“{text}” was true in none of {total}{_sent(clause, sample, context)}."
        yield RuleFinding(rule.id, clause.path, "never true", "warning", message)
    if not never and len(clauses) > 1 and not any(name.startswith(TIME) for name in fields_of(rule.condition)):
        message = f"The conditions were never true together in {total}."
        yield RuleFinding(rule.id, rule.condition.path, "never true", "note", message)


def _times_true(clauses: Sequence[Node], sample: TrafficContext, context: CheckContext) -> list[int]:
    documents = [Rule(str(number), str(number), 0, clause, _mark(context), {}) for number, clause in enumerate(clauses)]
    return _times_fired(documents, sample, context)


def _mark(context: CheckContext) -> tuple[Any, ...]:
    source = {"id": "mark", "name": "mark", "when": True, "effects": list(MARK)}
    return parse_rules([source], context.vocabulary, context.lists)[0].effects


def _clauses(node: Node) -> Iterator[Node]:
    if isinstance(node, Call) and node.operator == "and":
        for part in node.arguments:
            yield from _clauses(part)
    else:
        yield node


def _can_be_judged(clause: Node) -> bool:
    """Return whether a clause reads facts of the sample; not the time, of which a week is too little."""
    names = fields_of(clause)
    return bool(names) and not any(name.startswith(TIME) for name in names)


def _sent(clause: Node, sample: TrafficContext, context: CheckContext) -> str:
    """Say what was sent instead: the range of numbers, or the values sent most often."""
    # A comparison of money also reads the currency beside it.
    names = [name for name in fields_of(clause) if context.vocabulary[name].type != "currency"] or fields_of(clause)
    if len(names) != 1:
        return ""
    values = [facts[names[0]] for facts in sample.traffic.facts if names[0] in facts]
    field = context.vocabulary[names[0]]
    if not values:
        return ": it never came with them"
    if field.type in ("money", "integer", "number") and all(type(value) in (int, float) for value in values):
        low, high = (_in_words(value, names[0], context) for value in (min(values), max(values)))
        return f": they had {low} to {high}"
    texts = Counter(value for value in values if isinstance(value, str))
    common = [_in_words(value, names[0], context) for value, _ in texts.most_common(MOST_VALUES)]
    return f": most had {listed(common, 'or')}" if common else ""


def _in_words(value: object, name: str, context: CheckContext) -> str:
    field = context.vocabulary[name]
    return value_in_words(value, field.type, field.unit or context.vocabulary.currency, context.wording)


def _not_offered(rule: Rule, sample: TrafficContext, context: CheckContext) -> Iterator[RuleFinding]:
    """Find effects on candidates that the catalogue never offers where the rule holds."""
    by_id = {candidate.id: candidate for candidate in sample.candidates}
    reads = set(fields_of(rule.condition))
    for index, effect in enumerate(rule.effects):
        for id in candidates_of(effect):
            limits = _limits(by_id[id]) if id in by_id else {}
            for name in reads & limits.keys():
                if _excludes(rule, {"in": [{"var": name}, list(limits[name])]}, context):
                    where = listed([_in_words(code, name, context) for code in limits[name][:MOST_VALUES]], "or")
                    label, more = context.label(id), " or elsewhere" * (len(limits[name]) > MOST_VALUES)
                    message = (
                        f"{label} is only offered where {_label(name, context)} is {where}{more}, and this rule never "
                        "holds there: this effect changes nothing."
                    )
                    yield RuleFinding(rule.id, f"/effects/{index}", "not offered", "warning", message)


def _limits(candidate: Candidate) -> Mapping[str, Sequence[str]]:
    limits = {
        "geo.country": candidate.countries,
        "cart.currency": candidate.currencies,
        "device.type": candidate.devices,
    }
    return {name: values for name, values in limits.items() if values}


def _excludes(rule: Rule, condition: object, context: CheckContext) -> bool:
    """Return whether a rule's condition and another one are never true together, exactly."""
    source = {
        "id": rule.id,
        "name": rule.name,
        "when": {"and": [rule.document["when"], condition]},
        "effects": list(MARK),
    }
    both = parse_rules([source], context.vocabulary, context.lists)[0]
    never = [finding.kind == "never" for finding in check_rule(both, (), context)]
    alone = {**source, "when": rule.document["when"]}
    return any(never) and not any(
        finding.kind == "never"
        for finding in check_rule(parse_rules([alone], context.vocabulary, context.lists)[0], (), context)
    )


def _label(name: str, context: CheckContext) -> str:
    return context.vocabulary[name].label or name
