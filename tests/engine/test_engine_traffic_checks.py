"""Rules and candidates checked against recent decisions: missing facts, unsent values, ineligible candidates."""

from __future__ import annotations

import pytest

from engine.decisions.usage import FieldUses
from engine.insights.traffic import ENOUGH, Traffic
from engine.insights.traffic_checks import TrafficContext, candidate_warning, traffic_findings
from engine.kernel.plan import vocabulary_of
from engine.model.placement import Candidate
from engine.model.standard_vocabulary import STANDARD
from rules import Wording, parse_rules
from rules.analysis.check import CheckContext

VOCABULARY = vocabulary_of(STANDARD, "EUR")
CONTEXT = CheckContext(VOCABULARY, {}, {"ideal": "iDEAL", "card": "Card"}, wording=Wording(currency="EUR"))
IDEAL = Candidate(id="ideal", label="iDEAL", countries=("NL",))
CARD = Candidate(id="card", label="Card")
FACTS = [
    {"geo.country": country, "cart.total": total, "cart.currency": "EUR"}
    for country in ("DE", "NL")
    for total in range(1_000, 1_000 + 50 * ENOUGH, 50)
]
ARRIVES = dict.fromkeys(("geo.country", "cart.total", "cart.currency", "time.now"), len(FACTS))


def warnings_of(when, effect, *, facts=FACTS):
    document = {"id": "rule", "name": "Rule", "when": when, "effects": [effect]}
    seen = TrafficContext(Traffic(facts, FieldUses(0, len(FACTS), ARRIVES)), (IDEAL, CARD))
    return [each.message for each in traffic_findings(parse_rules([document], VOCABULARY, {}), seen, CONTEXT)]


def test_a_fact_that_never_arrives_is_named():
    [warning] = warnings_of({"==": [{"var": "customer.business"}, True]}, {"exclude": ["card"]})
    assert warning.endswith("in the last 30 days: this rule has not fired and will not.")


def test_missing_fact_beside_sufficient_facts_is_a_remark():
    either = {"or": [{"==": [{"var": "customer.business"}, True]}, {"==": [{"var": "geo.country"}, "DE"]}]}
    [warning] = warnings_of(either, {"exclude": ["card"]})
    assert warning.endswith("this rule uses it.")


@pytest.mark.parametrize("effect", [{"pin": {"candidate": "ideal", "slot": 1}}, {"exclude": ["ideal"]}])
def test_candidate_ineligible_where_the_rule_fires_is_named(effect):
    [warning] = warnings_of({"==": [{"var": "geo.country"}, "DE"]}, effect)
    assert warning.startswith("iDEAL is only offered where Country is NL")
    assert warning.endswith("this effect changes nothing.")
    assert not warnings_of({"in": [{"var": "geo.country"}, ["DE", "NL"]]}, effect)


def test_values_never_sent_are_named_with_the_sent_values():
    [warning] = warnings_of({"==": [{"var": "geo.country"}, "BR"]}, {"exclude": ["card"]})
    assert "was true in none of 400 decisions of the last week: most had DE or NL." in warning


def test_limits_that_no_cart_meets_are_named_with_the_range():
    [warning] = warnings_of({"<": [{"var": "cart.total"}, -500]}, {"exclude": ["card"]})
    assert "was true in none of 400 decisions of the last week: they had EUR 10.00 to EUR 109.50." in warning


def test_conditions_that_are_never_true_together_are_a_remark():
    facts = [each for each in FACTS if each["geo.country"] == "DE" or each["cart.total"] > 5_000]
    both = {"and": [{"==": [{"var": "geo.country"}, "NL"]}, {"<": [{"var": "cart.total"}, 5_000]}]}
    [warning] = warnings_of(both, {"exclude": ["card"]}, facts=facts)
    assert warning.startswith("The conditions were never true together")


def test_time_and_firing_rules_have_no_finding():
    later = {"after": [{"var": "time.now"}, "2030-01-01T00:00:00Z"]}
    assert not warnings_of(later, {"exclude": ["card"]})
    assert not warnings_of({">": [{"var": "cart.total"}, 5_000]}, {"exclude": ["card"]})


def test_few_decisions_give_no_finding():
    assert not warnings_of({"==": [{"var": "geo.country"}, "BR"]}, {"exclude": ["card"]}, facts=FACTS[: ENOUGH - 1])


def test_candidate_never_eligible_has_a_reason():
    traffic = Traffic(FACTS)
    assert not candidate_warning(IDEAL, traffic, "EUR")
    dear = Candidate(id="dear", label="Dear", min_amount=1_000_000)
    warning = candidate_warning(dear, traffic, "EUR")
    assert warning == "None of 400 decisions of the last week could have offered it: the amount is below its minimum."
    assert not candidate_warning(dear, Traffic(FACTS[:10]), "EUR")
