"""Check that an amount in a rule holds for its currency only."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import Field, RuleError, Vocabulary, changes_needed, compile_rules, describe, explain, parse_rule
from rules.analysis.check import CheckContext, check_rules
from rules.language.codes import CURRENCIES
from rules.language.parse import parse_condition

FIELDS = (
    Field("cart.total", "money", label="Cart total"),
    Field("cart.discount", "money", label="Discount"),
    Field("cart.currency", "currency", label="Cart currency"),
    Field("cart.items", "integer", label="Items"),
    Field("payout.amount", "money", label="Payout"),
    Field("payout.currency", "currency", label="Payout currency"),
    Field("customer.credit", "money", unit="USD", label="Credit"),
)
EURO = Vocabulary(FIELDS, currency="EUR")
TOTAL, DISCOUNT = {"var": "cart.total"}, {"var": "cart.discount"}
OVER_500 = {">": [TOTAL, 50_000]}
BY_CURRENCY = {">": [TOTAL, {"EUR": 50_000, "GBP": 43_000}]}


def rule(when: Any, id: str = "r1") -> Any:
    return parse_rule({"id": id, "when": when, "effects": [{"exclude": ["klarna"]}]}, EURO, {})


def verdict(when: Any, **cart: Any) -> str:
    facts = {f"cart.{name}": value for name, value in cart.items()}
    explained = explain(rule(when), facts, EURO, {})
    firing = compile_rules([rule(when)], EURO, {}).evaluate(facts)
    compiled = "true" if firing.fired else "unknown" if firing.skipped else "false"
    assert compiled == explained.verdict
    assert [field for _, field in firing.skipped] == [explained.lacked] * (compiled == "unknown")
    return explained.verdict


@pytest.mark.parametrize(
    ("when", "currency", "total", "expected"),
    [
        (OVER_500, "EUR", 50_001, "true"),
        (OVER_500, "EUR", 50_000, "false"),
        (OVER_500, None, 50_001, "true"),
        (OVER_500, "JPY", 62_000, "unknown"),
        (OVER_500, "JPY", 100, "unknown"),
        ({"!": OVER_500}, "JPY", 100, "unknown"),
        ({"or": [OVER_500, {"==": [1, 1]}]}, "JPY", 62_000, "true"),
        (BY_CURRENCY, "EUR", 50_001, "true"),
        (BY_CURRENCY, None, 43_001, "false"),
        (BY_CURRENCY, "GBP", 43_001, "true"),
        (BY_CURRENCY, "GBP", 43_000, "false"),
        ({"!": BY_CURRENCY}, "GBP", 43_000, "true"),
        (BY_CURRENCY, "JPY", 62_000, "unknown"),
        ({">": [TOTAL, {"GBP": 43_000}]}, "EUR", 62_000, "unknown"),
        ({">": [TOTAL, {"GBP": 43_000}]}, None, 62_000, "unknown"),
        ({"between": [TOTAL, {"EUR": 1, "GBP": 2}, {"EUR": 5}]}, "EUR", 3, "true"),
        ({"between": [TOTAL, {"EUR": 1, "GBP": 2}, {"EUR": 5}]}, "GBP", 3, "unknown"),
        ({">": [{"var": ["cart.total", 60_000]}, 50_000]}, "JPY", 62_000, "unknown"),
        ({">": [{"-": [TOTAL, 100]}, 50_000]}, "JPY", 62_000, "unknown"),
        ({"==": [{"cat": [TOTAL]}, "62000"]}, "JPY", 62_000, "unknown"),
        ({"in": [TOTAL, [62_000, 63_000]]}, "JPY", 62_000, "unknown"),
        ({"exists": TOTAL}, "JPY", 62_000, "true"),
    ],
)
def test_amounts_apply_only_to_their_currency(when: Any, currency: str | None, total: int, expected: str) -> None:
    facts = {"total": total} if currency is None else {"total": total, "currency": currency}
    assert verdict(when, **facts) == expected


def test_two_amounts_of_one_cart_need_no_currency() -> None:
    assert verdict({"<": [DISCOUNT, TOTAL]}, total=62_000, discount=5, currency="JPY") == "true"
    assert verdict({">": [{"/": [DISCOUNT, TOTAL]}, 0.1]}, total=100, discount=50, currency="JPY") == "true"
    assert verdict({">": [TOTAL, {"*": [DISCOUNT, 2]}]}, total=100, discount=20, currency="JPY") == "true"


def test_the_currency_beside_the_amount_counts_before_that_of_the_cart() -> None:
    payout = rule({">": [{"var": "payout.amount"}, 100]})
    credit = rule({">": [{"var": "customer.credit"}, 100]}, "r2")
    facts = {"payout.amount": 200, "payout.currency": "EUR", "cart.currency": "JPY", "customer.credit": 200}
    assert compile_rules([payout, credit], EURO, {}).evaluate(facts).fired == (0, 1)
    foreign = facts | {"payout.currency": "JPY", "cart.currency": "EUR"}
    assert compile_rules([payout], EURO, {}).evaluate(foreign).skipped == ((0, "payout.amount"),)


def test_without_a_merchants_currency_amounts_are_plain_numbers() -> None:
    plain = Vocabulary(FIELDS)
    parsed = parse_rule({"id": "r1", "when": OVER_500, "effects": [{"exclude": ["a"]}]}, plain, {})
    assert compile_rules([parsed], plain, {}).evaluate({"cart.total": 62_000, "cart.currency": "JPY"}).fired == (0,)
    with pytest.raises(RuleError, match="new plans"):
        parse_condition(BY_CURRENCY, plain, {})


@pytest.mark.parametrize(
    ("when", "path", "message"),
    [
        ({">": [TOTAL, {"EUR": 5, "EUX": 6}]}, "/>/1/EUX", "ISO 4217"),
        ({">": [TOTAL, {"EUR": 5.5}]}, "/>/1/EUR", "whole number of minor units"),
        ({">": [{"var": "cart.items"}, {"EUR": 5}]}, "/>/1", "only be compared with a fact of money"),
        ({"between": [TOTAL, {"EUR": 9}, {"EUR": 5}]}, "/between/2", "must not be less than 0.09 EUR"),
        ({"between": [TOTAL, 2_000, 1_000]}, "/between/2", "must not be less than 20.00 EUR"),
    ],
)
def test_wrong_amounts_by_currency_are_refused(when: Any, path: str, message: str) -> None:
    with pytest.raises(RuleError) as refused:
        parse_condition(when, EURO, {})
    assert [(problem.path, message in problem.message) for problem in refused.value.problems] == [(path, True)]


def test_sentences_give_each_amount() -> None:
    assert describe(rule(BY_CURRENCY).condition, EURO) == "Cart total is over EUR 500.00; GBP 430.00"


@pytest.mark.parametrize(
    ("currency", "text"),
    [
        ("EUR", "Cart total would have to be over EUR 500.00; it is EUR 0.05"),
        ("GBP", "Cart total would have to be over GBP 430.00; it is GBP 0.05"),
        ("JPY", "Cart total would have to be in EUR or GBP; it is in JPY, for which the rule gives no amount"),
    ],
)
def test_required_change_is_in_the_carts_currency(currency: str, text: str) -> None:
    [[need]] = changes_needed(rule(BY_CURRENCY), {"cart.total": 5, "cart.currency": currency}, EURO, {})
    assert need.text == text


def findings(*conditions: Any) -> list[tuple[str, str]]:
    rules = [rule(when, f"r{number}") for number, when in enumerate(conditions)]
    context = CheckContext(EURO, {}, {"klarna": "", "card": ""})
    return [(finding.rule, finding.kind) for finding in check_rules(rules, context)]


def test_checks_respect_the_currency_of_an_amount() -> None:
    in_yen = {"==": [{"var": "cart.currency"}, "JPY"]}
    assert findings({"and": [in_yen, OVER_500]}) == [("r0", "never")]
    assert findings({"and": [in_yen, {">": [TOTAL, {"JPY": 5_000}]}]}) == []
    assert findings(OVER_500, {">": [TOTAL, {"EUR": 60_000}]}) == [("r1", "shadowed")]
    assert findings(OVER_500, {">": [TOTAL, {"GBP": 60_000}]}) == []
    assert findings(BY_CURRENCY, {">": [TOTAL, {"GBP": 60_000}]}) == [("r1", "shadowed")]


codes = st.sampled_from(sorted(CURRENCIES))
amounts = st.integers(-3, 3) | st.integers(-(2**53), 2**53)
values = amounts | st.dictionaries(codes, amounts, min_size=1, max_size=4)
terms = st.sampled_from([TOTAL, {"var": ["cart.total", 2]}, {"-": [TOTAL, 1]}, {"max": [TOTAL, 0]}, {"*": [TOTAL, 2]}])
comparisons = st.builds(
    lambda name, a, b: {name: [a, b]}, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), terms, values
)
conditions = st.recursive(
    comparisons,
    lambda parts: (
        st.builds(lambda part: {"!": part}, parts)
        | st.builds(lambda name, several: {name: several}, st.sampled_from(["and", "or"]), st.lists(parts, min_size=1))
    ),
    max_leaves=6,
)


def mentions(when: Any, currency: str) -> bool:
    if isinstance(when, dict):
        return currency in when or any(mentions(part, currency) for part in when.values())
    return isinstance(when, list) and any(mentions(part, currency) for part in when)


@given(conditions, codes, amounts)
def test_rule_does_not_fire_on_another_currency(when: Any, currency: str, total: int) -> None:
    seen = verdict(when, total=total, currency=currency)
    assert currency == "EUR" or mentions(when, currency) or seen == "unknown"


@given(conditions, codes, amounts)
def test_examples_of_the_checks_agree_with_the_verdict(when: Any, currency: str, total: int) -> None:
    if ("r0", "never") in findings(when):
        assert verdict(when, total=total, currency=currency) != "true"
