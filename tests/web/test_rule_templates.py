"""The templates of rules parse, and do what their names say."""

from __future__ import annotations

from engine.kernel.plan import vocabulary_of
from engine.model.placement import Candidate, RuleDocument
from engine.model.standard_vocabulary import STANDARD
from rules import Exclude, Pin, Rule, Set, Vocabulary, compile_rules, parse_rule
from rules.analysis.check import CheckContext, check_rules
from web.admin.candidates.method_types import DEVICE_WALLETS, LOCAL, PAY_LATER
from web.admin.rules.rule_templates import Shop, templates_for

VOCABULARY = vocabulary_of(STANDARD, "EUR")
TYPES = ("card", "paypal", "klarna", "ideal", "bancontact", "apple_pay", "google_pay")
ALL = tuple(Candidate(id=type, type=type, label=type.title()) for type in TYPES)
OFFERS = tuple(Candidate(id=name, type="offer", label=name.title()) for name in ("shipping", "voucher"))


def shop(
    *candidates: Candidate,
    vocabulary: Vocabulary = VOCABULARY,
    lists: dict[str, frozenset[str]] | None = None,
    currency: str = "EUR",
) -> Shop:
    return Shop(
        candidates=candidates or ALL,
        vocabulary=vocabulary,
        lists=lists or {},
        country="DE",
        currency=currency,
        timezone="Europe/Berlin",
    )


def offered(*candidates: Candidate, **changes: object) -> dict[str, RuleDocument]:
    return {item.id: item for item in templates_for(shop(*candidates, **changes))}  # type: ignore[arg-type]


def parsed(document: RuleDocument, lists: dict[str, frozenset[str]] | None = None) -> Rule:
    parts = {"id": document.id, "name": document.name, "when": document.when, "effects": list(document.effects)}
    return parse_rule(parts, VOCABULARY, lists or {})


def fires(document: RuleDocument, lists: dict[str, frozenset[str]] | None = None, **facts: object) -> bool:
    compiled = compile_rules([parsed(document, lists)], VOCABULARY, lists or {})
    return bool(compiled.evaluate({name.replace("__", "."): value for name, value in facts.items()}).fired)


def test_phone_wallets_are_hidden_on_desktop_only() -> None:
    template = offered()["hide-wallets-on-desktop"]
    assert parsed(template).effects == (Exclude(("apple_pay", "google_pay")),)
    assert fires(template, device__type="desktop")
    assert not fires(template, device__type="mobile")
    assert not fires(template)


def test_local_methods_come_first_in_their_own_country() -> None:
    template = offered()["local-first-nl"]
    assert template.name == "Ideal first in the Netherlands"
    assert parsed(template).effects == (Pin("ideal", 1),)
    assert fires(template, geo__country="NL")
    assert not fires(template, geo__country="BE")


def test_the_merchants_own_country_is_offered_first() -> None:
    dutch_shop = Shop(candidates=ALL, vocabulary=VOCABULARY, lists={}, country="NL", currency="EUR", timezone="UTC")
    local = [item.id for item in templates_for(dutch_shop) if item.id.startswith("local")]
    assert local == ["local-first-nl", "local-first-be"]


def test_pay_later_is_hidden_above_an_amount_of_the_merchants_currency() -> None:
    template = offered()["no-pay-later-above"]
    assert parsed(template).effects == (Exclude(("klarna",)),)
    assert fires(template, cart__total=100_001)
    assert not fires(template, cart__total=100_000)
    assert fires(offered(currency="JPY")["no-pay-later-above"], cart__total=100_001)
    assert not fires(offered(currency="KWD")["no-pay-later-above"], cart__total=1_000_000)


def test_pay_later_is_hidden_for_high_risk() -> None:
    template = offered()["no-pay-later-for-high-risk"]
    assert fires(template, risk__score=75)
    assert not fires(template, risk__score=74.9)


def test_extra_verification_is_required_for_risky_regions_or_foreign_risk() -> None:
    abroad = offered()["extra-verification"]
    assert parsed(abroad).effects == (Set("extra_verification", True),)
    assert fires(abroad, geo__country="US", risk__score=60)
    assert not fires(abroad, geo__country="DE", risk__score=60)
    assert not fires(abroad, geo__country="US", risk__score=10)
    lists = {"risky-regions": frozenset({"US"})}
    listed = offered(lists=lists)["extra-verification"]
    assert fires(listed, lists, geo__country="US")
    assert not fires(listed, lists, geo__country="DE")


def test_an_offer_comes_first_at_the_weekend_of_the_merchants_timezone() -> None:
    template = offered(*OFFERS)["weekend-offer"]
    assert parsed(template).effects == (Pin("shipping", 1),)
    assert fires(template, time__now="2026-11-27T23:30:00Z")
    assert not fires(template, time__now="2026-11-27T22:30:00Z")


def test_only_applicable_templates_are_offered() -> None:
    assert set(offered(Candidate(id="card", type="card", label="Card"))) == {"extra-verification"}
    assert set(offered(*OFFERS)) == {"weekend-offer"}
    wallets = [Candidate(id=type, type=type, label=type) for type in sorted(DEVICE_WALLETS)]
    assert "hide-wallets-on-desktop" not in offered(*wallets)


def test_a_template_whose_facts_are_not_declared_is_not_offered() -> None:
    few = vocabulary_of(tuple(field for field in STANDARD if field.name != "risk.score"), "EUR")
    assert "no-pay-later-for-high-risk" not in offered(vocabulary=few)


def test_existing_id_is_not_reused() -> None:
    made = templates_for(shop(), taken={"no-pay-later-above", "no-pay-later-above-2"})
    assert "no-pay-later-above-3" in {item.id for item in made}


def test_templates_have_no_findings() -> None:
    every = {type for types in LOCAL.values() for type in types} | PAY_LATER | DEVICE_WALLETS | {"card"}
    candidates = tuple(Candidate(id=type, type=type, label=type) for type in sorted(every))
    documents = templates_for(shop(*candidates))
    assert len(documents) > 25
    assert all(document.notes and document.name for document in documents)
    setting = CheckContext(VOCABULARY, {}, {candidate.id: candidate.label for candidate in candidates})
    for document in documents:
        assert check_rules([parsed(document)], setting) == []
