"""Forms of experiments: values round-trip, mistakes are reported, and sizes are sentences."""

from __future__ import annotations

from typing import Any

import pytest

from engine.configuration.configuration import Configuration
from engine.experiments.comparisons import SizeByMethod
from engine.experiments.past.size import SizeAnswer
from engine.model.account import Merchant
from engine.model.documents.metric import MetricName
from engine.model.errors import Invalid
from engine.model.experiment import Experiment, ExperimentStatus, Guardrail, Variant
from engine.model.placement import Fixed, Policy, RuleDocument, Split, Thompson
from engine.model.resource import Resource
from rules import Wording
from tests import factories
from web.admin.experiments.audience import Audience, audience_of, sent, stored
from web.admin.experiments.experiment_form import (
    DEFAULTS,
    count_of,
    document_of,
    form_fields_of,
    free_id,
    joined,
    names_of,
    sized,
    texts_of,
)
from web.admin.experiments.variant_form import Choices, card_of, choices_of, without_variant
from web.admin.shell.forms import Form
from web.experiments.experiment_size import AudienceReach, words_of
from web.format import Show, viewer_locale

PLACEMENT = "payment_methods"
NOW = 1_795_262_400_000
SHOW = Show(locale=viewer_locale("en-US"), timezone="Europe/Berlin", now=NOW)
MERCHANT = Merchant(1, "shop", "live", "Shop", "DE", "EUR", "en", "Europe/Berlin", NOW)
GERMANY = {"==": [{"var": "geo.country"}, "DE"]}
RULE = factories.rule({"exclude": ["card"]}, id="hide-card", name="Hide card")
OFF = factories.rule({"exclude": ["card"]}, id="off", name="Off", enabled=False)
CHOICES = Choices(
    [("card", "Card"), ("paypal", "PayPal"), ("ideal", "iDEAL")], {"hide-card": RULE, "off": OFF}, Thompson()
)


def resource(kind: Any, id: str, document: object, placement_key: str = "") -> Resource:
    return Resource(kind, placement_key, id, 1, document, NOW)


def configuration(*rules: RuleDocument) -> Configuration:
    """Return a placement with three candidates and rules."""
    candidates = factories.candidates("card", "paypal", "ideal")
    return Configuration(
        [
            resource("placement", PLACEMENT, factories.placement()),
            *(resource("candidate", each.id, each, PLACEMENT) for each in candidates),
            *(resource("rule", rule.id, rule, PLACEMENT) for rule in rules),
            *(resource("field", field.name, field) for field in factories.STANDARD),
        ],
        1,
        currency="EUR",
    )


def audience(condition: object = None) -> Audience:
    return audience_of(configuration(), PLACEMENT, MERCHANT, SHOW.locale, stored(condition))


def experiment(*variants: Variant, **changes: Any) -> Experiment:
    control = Variant(id="control", name="As it is now")
    others = variants or (Variant(id="b", name="PayPal first", order=("paypal",)),)
    return Experiment(**({"id": "e", "name": "Experiment", "variants": (control, *others)} | changes))


def again(document: Experiment, *, own: Policy | None = None, **changes: str) -> Experiment:
    """Return what the form makes of a stored experiment after these changes; `own` is the placement's policy."""
    values = texts_of(document, 3, SHOW) | changes
    return document_of(values, audience(document.audience), id=document.id, old=document, show=SHOW, own=own)


@pytest.mark.parametrize(
    "document",
    [
        experiment(),
        experiment(hypothesis="It sells\nmore", notes="Watch the phones"),
        experiment(audience=GERMANY),
        experiment(share=0.125, unit="decision", layer="second"),
        experiment(primary="revenue", secondary=("conversion", "orders"), method="fixed"),
        experiment(guardrails=(Guardrail(metric="conversion", tolerated_percent=2.5), Guardrail(metric="revenue"))),
        experiment(minimum_effect_percent=0.5, minimum_days=14, maximum_days=60),
        experiment(starts_at="2030-01-01T00:00:00Z"),
        experiment(allocation="bandit", floor=0.02),
        experiment(Variant(id="b", name="B", weight=0.5, candidates_off=("card", "ideal"))),
        experiment(Variant(id="b", name="B", rules_off=("hide-card",), order=("ideal", "card"))),
        experiment(Variant(id="b", name="B", policy=Fixed()), Variant(id="c", name="C", policy=Split())),
        experiment(Variant(id="b", name="B", policy=Thompson(floor=0.1))),
        experiment(Variant(id="b", name="B", policy=Split({"card": 3.0}))),
        experiment(Variant(id="b", name="B", rules=(RULE,))),
        experiment(Variant(id="b", name="B", values={"show": True, "hide": False, "n": 3, "x": 1.5, "t": "two words"})),
    ],
)
def test_stored_experiment_survives_its_form(document: Experiment) -> None:
    assert again(document) == document


def test_start_is_read_in_the_viewers_time_zone() -> None:
    document = again(experiment(), starts_at="2030-07-01T09:00")
    assert document.starts_at == "2030-07-01T09:00:00+02:00"
    assert texts_of(document, 1, SHOW)["starts_at"] == "2030-07-01T09:00"
    assert again(document, starts_at="").starts_at is None


def test_start_to_the_second_survives_its_form() -> None:
    document = experiment(starts_at="2020-01-01T08:30:15Z")
    assert again(document, name="New name").starts_at == "2020-01-01T08:30:15Z"


def test_removed_variant_does_not_leave_its_fields() -> None:
    document = experiment(Variant(id="b", name="B", order=("paypal",)), Variant(id="c", name="C", order=("ideal",)))
    values = without_variant(texts_of(document, 1, SHOW), 1, 3)
    made = document_of(values, audience(), id="e", old=document, show=SHOW)
    assert [variant.id for variant in made.variants] == ["control", "c"]
    assert made.variants[1].order == ("ideal",)
    assert not [name for name in values if name.startswith("v2.")]


def test_enrolled_experiment_accepts_only_allowed_changes() -> None:
    document = experiment(status=ExperimentStatus(state="running", started_at=1, phase_started_at=1))
    changed = again(document, name="New name", notes="n", share="10", layer="x", **{"v1.name": "", "guard:orders": "1"})
    assert (changed.name, changed.notes, changed.share, changed.layer) == ("New name", "n", 0.1, "main")
    assert changed.variants == document.variants
    assert again(document, **{"v1.weight": "3", "v1.name": "Z"}).variants == document.weighted([1.0, 3.0])
    assert changed.guardrails == (Guardrail(metric="orders", tolerated_percent=1.0),)
    assert changed.status == document.status


@pytest.mark.parametrize(
    ("field", "text", "beside"),
    [
        ("name", " ", "name"),
        ("v0.name", "", "v0.name"),
        ("v1.weight", "-3", "v1.weight"),
        ("v1.values", "= 3", "v1.values"),
        ("guard:conversion", "-1", "guard:conversion"),
        ("guard:conversion", "a little", "guard:conversion"),
        ("share", "much", "share"),
        ("maximum_days", "1.5", "maximum_days"),
        ("starts_at", "soon", "starts_at"),
        ("starts_at", "2020-01-01T09:00", "starts_at"),
    ],
)
def test_invalid_text_is_reported_by_field(field: str, text: str, beside: str) -> None:
    with pytest.raises(Invalid) as refused:
        again(experiment(), **{field: text})
    assert beside in [problem.field for problem in refused.value.problems]


def test_all_invalid_texts_are_reported_together() -> None:
    with pytest.raises(Invalid) as refused:
        again(experiment(), name="", share="x", **{"v1.name": "", "v1.weight": "0"})
    assert {problem.field for problem in refused.value.problems} == {"name", "share", "v1.name", "v1.weight"}


def test_several_values_of_a_field_are_joined() -> None:
    given = {
        "v1.order": ["paypal", "", "card"],
        "v1.rules_off": ["a"],
        "secondary": ["orders", "revenue"],
        "name": ["A", "B"],
    }
    assert joined(given) == {
        "v1.order": "paypal, card",
        "v1.rules_off": "a",
        "secondary": "orders, revenue",
        "name": "B",
    }


@pytest.mark.parametrize(("text", "count"), [("", 2), ("x", 2), ("1", 2), ("3", 3), ("10", 10), ("99", 10), ("-4", 2)])
def test_number_of_variants_stays_in_bounds(text: str, count: int) -> None:
    assert count_of({"variants": text}) == count


@pytest.mark.parametrize(
    ("name", "taken", "id"),
    [
        ("PayPal first!", (), "paypal-first"),
        ("PayPal first", ("paypal-first",), "paypal-first-2"),
        ("PayPal first", ("paypal-first", "paypal-first-2"), "paypal-first-3"),
        ("  ", (), "experiment"),
        ("日本", (), "experiment"),
        ("x" * 200, (), "x" * 48),
    ],
)
def test_id_is_made_of_the_name(name: str, taken: tuple[str, ...], id: str) -> None:
    assert free_id(name, frozenset(taken)) == id


def test_every_part_of_a_variant_has_a_field() -> None:
    names, fields = names_of(3), form_fields_of(3)
    assert fields["audience"] == "when"
    assert set(fields.values()) <= set(names)
    assert fields["variants/2/rules_off"] == "v2.rules_off"


def test_card_shows_selected_values_and_an_empty_row() -> None:
    document = experiment(Variant(id="b", name="B", order=("ideal",), candidates_off=("card",), policy=Thompson()))
    form = Form(texts_of(document, 1, SHOW))
    card = card_of(form, 1, CHOICES)
    assert (card.name, card.firsts, card.candidates_off) == ("B", ["ideal", "", ""], {"card"})
    assert card.is_open
    control = card_of(form, 0, CHOICES)
    assert control.is_control
    assert not control.is_open


@pytest.mark.parametrize(("field", "is_open"), [("weight", False), ("name", False), ("values", True), ("policy", True)])
def test_a_card_is_opened_by_a_problem_inside_it(field: str, is_open: bool) -> None:
    form = Form(texts_of(experiment(), 1, SHOW), {f"v0.{field}": "Not so."})
    assert card_of(form, 0, CHOICES).is_open is is_open


def test_new_card_is_named_by_its_number() -> None:
    card = card_of(Form(DEFAULTS), 1, CHOICES)
    assert (card.name, card.firsts, card.rules) == ("Variant 2", ["", "", ""], [])


def test_choices_are_candidates_in_order_and_rules_by_state() -> None:
    choices = choices_of(configuration(RULE, OFF), PLACEMENT)
    assert [id for id, _ in choices.candidates] == ["card", "paypal", "ideal"]
    assert choices.rules_by_state == [
        ("In force", [("hide-card", "Hide card")]),
        ("Not in force", [("off", "Off")]),
    ]


def test_audience_is_everybody_without_a_condition() -> None:
    view = audience().view(Wording(currency="EUR"))
    assert (view.sentence, view.problems, view.when) == ("Everybody.", [], "true")
    assert audience().value is None


def test_audience_is_shown_as_a_sentence() -> None:
    made = audience(GERMANY)
    assert made.value == GERMANY
    assert made.view(Wording(currency="EUR", country=SHOW.country)).sentence == "Country is Germany."


def test_audience_gets_a_row_by_its_button() -> None:
    view = audience().after("add_row:c").view(Wording(currency="EUR"))
    assert view.condition
    assert len(view.condition.parts) == 1
    assert view.problems


@pytest.mark.parametrize("text", ["{", "[1,", "nothing"])
def test_audience_that_is_not_json_is_refused(text: str) -> None:
    given = {"when": [text]}
    made = audience_of(configuration(), PLACEMENT, MERCHANT, SHOW.locale, sent(given))
    assert [problem.field for problem in made.problems] == ["when"]
    view = made.view(Wording(currency="EUR"))
    assert view.condition is None
    assert view.problems


def test_audience_with_an_undeclared_fact_has_a_message() -> None:
    view = audience({"==": [{"var": "geo.land"}, "DE"]}).view(Wording(currency="EUR"))
    assert "declared" in view.problems[0]
    assert view.condition


SIZE = SizeByMethod(10_000, 10_500, 16_000)


@pytest.mark.parametrize(
    ("changes", "answer", "sentence", "fits"),
    [
        ({}, SizeAnswer(0.6, 900.0, 800.0, SIZE, 20.0), "16,000 customers, about 20 days at 800 a day", True),
        ({}, SizeAnswer(0.6, 900.0, 400.0, SIZE, 40.0), "16,000 customers, about 40 days at 400 a day", False),
        ({}, SizeAnswer(0.6, 9.0, 2.5, SIZE, 6400.0), "16,000 customers, about 6,400 days at 2.5 a day", False),
        ({}, SizeAnswer(0.6, 90_000.0, 80_000.0, SIZE, 0.2), "16,000 customers, about 1 day at 80,000 a day", True),
        ({"method": "fixed"}, SizeAnswer(0.6, 900.0, 800.0, SIZE, 12.5), "10,000 customers, about 12 days", True),
        ({"primary": "revenue"}, SizeAnswer(0.6, 900.0, 800.0, SIZE, 20.0, 1_250.0, 3e3), "16,000 customers", True),
        (
            {"primary": "revenue"},
            SizeAnswer(0.6, 900.0, 800.0, None, None, 1_250.0, 0.0),
            "In the last 7 days the m",
            None,
        ),
        (
            {"primary": "margin"},
            SizeAnswer(0.6, 900.0, 800.0, None, None, -50.0, 90.0),
            "The customers of the la",
            None,
        ),
        (
            {"primary": "checkout_time"},
            SizeAnswer(0.6, 9.0, 8.0, None, None),
            "No checkouts with a known time came",
            None,
        ),
        ({"primary": "declined"}, SizeAnswer(0.6, 9.0, 8.0, None, None, 0.0, 0.0), "No declined payments came", None),
        ({}, SizeAnswer(0.0, 0.0, 0.0, None, None), "No customer came in the last 7 days", None),
        ({}, SizeAnswer(0.0, 50.0, 50.0, None, None), "Nobody bought in the last 7 days", None),
        (
            {},
            SizeAnswer(0.99, 50.0, 50.0, None, None, 0.99),
            "A change of +5.0% cannot happen: 99.0% of the customers here bought in the last 7 days.",
            None,
        ),
        ({}, SizeAnswer(0.1, 50.0, 50.0, None, None), "No number of customers is enough to find", None),
        ({"unit": "device"}, SizeAnswer(0.0, 0.0, 0.0, None, None), "No device came in the last 7 days", None),
        ({"unit": "decision"}, SizeAnswer(0.6, 900.0, 800.0, SIZE, 20.0), "16,000 decisions, about 20 days", True),
    ],
)
def test_size_is_a_sentence(changes: dict[str, Any], answer: SizeAnswer, sentence: str, fits: bool | None) -> None:
    words = words_of(experiment(**changes), answer, SHOW)
    assert words.sentence.startswith(sentence)
    assert words.fits is fits
    assert bool(words.warning) == (fits is False)


@pytest.mark.parametrize(
    ("metric", "answer", "basis"),
    [
        (
            "margin",
            SizeAnswer(0.6, 900.0, 800.0, SIZE, 20.0, 1_250.0, 3_300.0, 41_200),
            "margin was €12.50 on average, with a standard deviation of €33.00 a customer; purchases count as €412.00",
        ),
        (
            "checkout_time",
            SizeAnswer(0.6, 900.0, 800.0, SIZE, 20.0, 41_240.0, 12_000.0),
            "checkout time was 41.2 seconds on average, with a standard deviation of 12.0 seconds a customer.",
        ),
        (
            "declined",
            SizeAnswer(0.6, 900.0, 800.0, SIZE, 20.0, 0.05, 0.2),
            "5.0% of the customers here had the outcome",
        ),
    ],
)
def test_size_is_estimated_from_the_log_in_units(metric: MetricName, answer: SizeAnswer, basis: str) -> None:
    assert basis in words_of(experiment(primary=metric), answer, SHOW, "EUR").basis


@pytest.mark.parametrize(("method", "other"), [("sequential", "10,000"), ("fixed", "16,000")])
def test_size_compares_both_methods_of_looks(method: Any, other: str) -> None:
    answer = SizeAnswer(0.6, 900.0, 800.0, SIZE, 20.0)
    assert f"it would be {other} customers" in words_of(experiment(method=method), answer, SHOW).looking


def test_size_reads_only_the_numbers_of_a_form() -> None:
    document = sized({"share": "50", "primary": "conversion", "v0.weight": "3", "v1.weight": "1"})
    assert document
    assert (document.share, [variant.weight for variant in document.variants]) == (0.5, [3.0, 1.0])
    assert sized({"share": "half"}) is None
    assert sized({"v1.weight": "0"}) is None


@pytest.mark.parametrize(("decisions", "inside", "share"), [(0, 0, 1.0), (200, 50, 0.25), (10, 0, 0.0)])
def test_reach_is_a_share_of_decisions(decisions: int, inside: int, share: float) -> None:
    assert AudienceReach(decisions, inside).share == share
