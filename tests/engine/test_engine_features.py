"""From facts to numbers with fixed scales, and from weights back to words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bandits.posterior.logistic_update import Observations, rate
from bandits.posterior.weight_posterior import WeightEvidence
from benchmarks.checks import discoveries as discovery_checks
from engine.kernel.encoding.features import Encoding, problems
from engine.kernel.encoding.scales import amount_feature, number_feature
from engine.model.facts import Past
from engine.model.placement import Contextual, FieldDocument
from engine.model.standard_vocabulary import STANDARD
from engine.statistics.findings import findings, sentences

ALL_FEATURES = ("device.type", "customer.returning", "cart.total", "cart.items", "time.now", "geo.country")
COUNTRIES = {"geo.country": ("DE", "NL")}


def encoding(*features, values=None, affinity=False):
    return Encoding(Contextual(features, values or {}, affinity), STANDARD)


def encoded(tested_encoding, history=None, **facts):
    values = {name.replace("_", ".", 1): value for name, value in facts.items()}
    row = tested_encoding.rows(values, history or {}, ["card"])[0]
    return {name: value for name, value in zip(tested_encoding.names, row.tolist(), strict=True) if value}


def problem(*features, fields=STANDARD, values=None):
    return list(problems(Contextual(features, values or {}), fields))


def test_each_type_of_fact_has_its_scale():
    tested_encoding = encoding(*ALL_FEATURES, values=COUNTRIES)
    got = encoded(
        tested_encoding,
        device_type="mobile",
        customer_returning=True,
        cart_total=20_000,
        cart_items=3,
        geo_country="NL",
        time_now="2026-11-21T09:30:00.123Z",
    )
    assert got == {
        "1": 1.0,
        "device.type=mobile": 1.0,
        "customer.returning": 1.0,
        "cart.total": pytest.approx(math.log(201 / 51) / 2),
        "cart.items": pytest.approx(math.log(4) / 2),
        "geo.country=NL": 1.0,
        "time.now/day=5": 1.0,
        "time.now/hour=2": 1.0,
    }


def test_a_missing_or_invalid_fact_has_zero_features():
    tested_encoding = encoding(*ALL_FEATURES, values=COUNTRIES)
    assert encoded(tested_encoding) == {"1": 1.0}
    broken = {
        "device_type": ["mobile"],
        "customer_returning": "yes",
        "cart_total": "12900",
        "cart_items": True,
        "geo_country": "FR",
        "time_now": "soon",
    }
    assert encoded(tested_encoding, **broken) == {"1": 1.0}
    assert encoded(tested_encoding, cart_total=-1, cart_items=1e300, device_type=7, time_now=12) == {"1": 1.0}


def test_amounts_and_numbers_have_logarithmic_bounded_scales():
    assert amount_feature(5_000) == 0.0
    assert amount_feature(0) == pytest.approx(-1.97, abs=0.01)
    assert 0 < amount_feature(2**53) < 16
    assert number_feature(-9) == -number_feature(9) == pytest.approx(-math.log(10) / 2)
    assert number_feature(float("nan")) == 0.0


def test_the_customers_own_past_differs_by_candidate():
    tested_encoding = encoding("device.type", affinity=True)
    rows = tested_encoding.rows(
        {"device.type": "mobile"}, {"card": Past(5.0, 3.0, 3), "ideal": Past(0.5, 0.5, 1)}, ["card", "paypal"]
    )
    assert (rows[0, :-2] == rows[1, :-2]).all()
    assert rows[0, -2:].tolist() == pytest.approx([math.log(4), math.log(3)])
    assert rows[1, -2:].tolist() == [0.0, 0.0]
    assert tested_encoding.names[-2:] == ("history/chosen", "history/passed")


def test_features_are_in_the_order_of_the_policy():
    assert encoding("cart.total", "device.type").names == (
        "1", "cart.total", "device.type=desktop", "device.type=mobile", "device.type=tablet",
    )  # fmt: skip


def test_unusable_feature_is_refused_by_name():
    assert problem("device.type", "cart.total") == []
    assert problem("cart.colour") == [("features/0", "there is no field “cart.colour”")]
    assert problem("device.type", "customer.segment") == [
        ("features/1", "“customer.segment” has no list of allowed values: name the values to distinguish in values")
    ]
    assert problem("customer.segment", values={"customer.segment": ("loyal",)}) == []
    [(where, message)] = problem("cart.categories")
    assert where == "features/0"
    assert "type list" in message
    assert problem("device.type", values={"device.type": ("phone",)}) == [
        ("features/0", "“phone” is not an allowed value of “device.type”")
    ]
    assert problem("cart.total", values=COUNTRIES)[0][0] == "values/geo.country"
    assert [where for where, _ in problem("cart.total", "cart.total")] == ["features/0", "features/1"]


def test_more_values_than_can_be_learned_about_are_refused():
    many = FieldDocument(name="cart.shop", type="string", allowed=tuple(f"s{n}" for n in range(500)))
    [(where, message)] = problem("cart.shop", fields=(many,))
    assert where == "features"
    assert "more than 400 values" in message


# Learned effects in words

PHONES = encoding("device.type", "customer.returning", affinity=True)
LABELS = {"paypal": "PayPal", "card": "Card"}


def fitted(weights, count=20_000, *, seed=1, mobile=0.5):
    """PayPal, tried by customers on mobile and desktop, of whom a third return."""
    # Its streams are frozen for good, so what lies inside an interval once always does.
    rng = np.random.RandomState(seed)
    x = np.zeros((count, len(PHONES)))
    x[:, 0] = 1.0
    phone = rng.random(count) < mobile
    x[phone, PHONES.names.index("device.type=mobile")] = 1.0
    x[~phone, PHONES.names.index("device.type=desktop")] = 1.0
    x[rng.random(count) < 0.33, PHONES.names.index("customer.returning")] = 1.0
    eta = x @ [weights.get(name, 0.0) for name in PHONES.names]
    wins = (rng.random(count) < rate(eta)).astype(float)
    return WeightEvidence(len(PHONES)).updated({"paypal": Observations(x, np.ones(count), wins)})


def find(learned, where):
    return next(finding for finding in findings(PHONES, learned, ["paypal", "card"]) if finding.where == where)


def test_interval_of_a_ratio_covers_the_true_value():
    learned = fitted({"1": math.log(0.1 / 0.9), "device.type=mobile": math.log(0.2 / 0.8) - math.log(0.1 / 0.9)})
    phone = find(learned, "Where Device is mobile")
    assert phone.ratio == pytest.approx(2.0, rel=0.1)
    assert phone.low < 2.0 < phone.high
    assert phone.sure
    assert phone.high / phone.low < 1.3
    assert phone.trials == 20_000


def test_clearest_finding_is_first_and_uncertain_ones_are_omitted():
    learned = fitted({"1": -2.0, "device.type=mobile": 1.0})
    sentence = sentences(findings(PHONES, learned, ["paypal", "card"]), LABELS)
    assert sentence[0].startswith(
        ("Where Device is mobile, PayPal is chosen 2.", "Where Device is desktop, PayPal is chosen 0.")
    )
    assert not any("Returning" in item for item in sentence)
    assert all(item.endswith(").") for item in sentence)


def test_false_findings_are_rare():
    share, plain = discovery_checks.null_pages(range(12))
    assert plain > 2
    assert share <= 0.25


def test_true_effect_is_found_among_many_features():
    sure, false = discovery_checks.power(range(2), trials=6_000)
    assert sure >= 0.75
    assert false <= 0.3


def test_intervals_have_nominal_coverage():
    held = []
    for seed in range(60):
        item = find(fitted({"1": -1.5, "customer.returning": 0.5}, 600, seed=seed), "Where “Returning customer” holds")
        true_ratio = rate(np.array(-1.0)) / rate(np.array(-1.5))
        held.append(item.low < true_ratio < item.high)
    assert np.mean(held) > 0.88


def test_rare_values_have_no_finding():
    learned = fitted({"1": -1.0}, 400, mobile=0.02)
    reports = findings(PHONES, learned, ["paypal"])
    assert [item.where for item in reports] == ["Where “Returning customer” holds"]
    assert findings(PHONES, WeightEvidence(len(PHONES)), ["paypal"]) == []
    few = fitted({"1": -1.0}, 19)
    assert findings(PHONES, few, ["paypal"]) == []
