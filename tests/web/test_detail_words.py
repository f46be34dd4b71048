"""Settings that differ, in the words and units of their forms."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from babel import Locale

from engine.configuration.plan_difference import Detail, Difference
from engine.model.documents.offer import Offer, OfferText, Percentage
from engine.model.placement import Candidate
from web.admin.changes.detail_words import details_of
from web.format import Show

SHOW = Show(locale=Locale.parse("en"), timezone="Europe/Berlin", now=1_796_000_000_000)
OFFER = Offer(currency="GBP", benefit=Percentage(10.0, 500), budgets=("spring",), texts={"en": OfferText("Ten off")})


def changed(**details: tuple[Any, Any]) -> Difference:
    card = Candidate(id="card", label="Card")
    rows = [Detail(field, *values) for field, values in details.items()]
    return Difference("candidate", "card", "Card", "changed", card, card, "", "", rows)


@pytest.mark.parametrize(
    ("field", "values", "row"),
    [
        ("enabled", (False, True), ("In use", "no", "yes")),
        ("min_amount", (None, 1000), ("Smallest amount", "none", "€10.00")),
        ("max_amount", (0, {"EUR": 1000, "JPY": 900}), ("Largest amount", "€0.00", "€10.00; ¥900")),
        ("fee_percent", (0.0, 1.75), ("Fee, share", "0%", "1.75%")),
        ("countries", ([], ["DE", "AT"]), ("Countries", "none", "DE, AT")),
        ("window_minutes", (1, 1440), ("Wait for results", "1 minute", "1,440 minutes")),
        ("holdback", (None, {"share": 0.05, "salt": ""}), ("Holdback: Share of customers", "none", "5%")),
        ("values", ([["a", 1]], []), ("Values", '[["a", 1]]', "none")),
        ("type", ("", "wallet"), ("Type", "none", "wallet")),
    ],
)
def test_each_setting_has_its_label_and_unit(field: str, values: tuple[Any, Any], row: tuple[str, str, str]):
    assert details_of(changed(**{field: values}), SHOW, "EUR") == [row]


def test_only_changed_fields_of_an_object_are_shown():
    both = {"type": "thompson", "floor": 0.01, "drawn": 3}, {"type": "thompson", "floor": 0.025, "drawn": 3}
    assert details_of(changed(policy=both), SHOW, "EUR") == [("Policy: Keep trying everything", "1%", "2.50%")]


def test_an_offers_amounts_are_in_its_own_currency():
    before = Candidate(id="spring", label="Spring", offer=OFFER)
    after = msgspec.structs.replace(before, offer=msgspec.structs.replace(OFFER, benefit=Percentage(10.0, 900)))
    rows = [Detail("offer", msgspec.to_builtins(before.offer), msgspec.to_builtins(after.offer))]
    difference = Difference("candidate", "spring", "Spring", "changed", before, after, "", "", rows)
    assert details_of(difference, SHOW, "EUR") == [("Offer: Benefit: Most off", "£5.00", "£9.00")]


def test_long_values_are_cut():
    [(_, _, after)] = details_of(changed(label=("", "x" * 300)), SHOW, "EUR")
    assert len(after) == 201
