"""Normalisation before storing, and amounts relative to carts: properties, without a database."""

from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits.evidence.tails import EDGES, Bin, amount_bin, tail_begin, winsorised
from engine.intake.tidying import in_list_order, tidied
from engine.statistics.amounts import CART, AmountRow, amounts_by_candidate, relative_amount
from engine.statistics.evidence import DayRow
from tests.factories import candidate, candidates, rule

DECOMPOSED, COMPOSED = normalize("NFD", "Überweisung"), "Überweisung"


def test_decomposed_letters_are_composed():
    assert tidied(candidate("a", label=DECOMPOSED)).label == COMPOSED
    nested = rule({"set": {"name": "x", "value": DECOMPOSED}}, when={"==": [{"var": "a.b"}, DECOMPOSED]})
    tidy = tidied(nested)
    assert tidy.effects == ({"set": {"name": "x", "value": COMPOSED}},)
    assert tidy.when == {"==": [{"var": "a.b"}, COMPOSED]}


@pytest.mark.parametrize("label", ["Card", "日本", "😀", "a b"])
def test_a_tidy_document_stays_the_same_object(label):
    document = candidate("a", label=label)
    assert tidied(document) is document


@given(st.text(min_size=1, max_size=40))
def test_tidying_twice_is_tidying_once(label):
    tidy = tidied(candidate("a", label=label))
    assert tidied(tidy) is tidy
    assert tidy.label == tidy.label.strip()


def test_blanks_around_names_are_removed_but_not_in_values():
    tidy = tidied(rule({"set": {"name": "x", "value": " a "}}, name="  The rule "))
    assert tidy.name == "The rule"
    assert tidy.effects[0]["set"]["value"] == " a "


@pytest.mark.parametrize(
    ("sent", "present", "positions"),
    [
        (("a", "b", "c"), (), [0, 1, 2]),
        (("a", "b"), ("x", "y", "z"), [3, 4]),
        (("a",), ("x", "y"), [0]),
    ],
)
def test_a_list_without_positions_keeps_its_order(sent, present, positions):
    documents = in_list_order([candidate(id) for id in sent], candidates(*present) if present else ())
    assert [document.position for document in documents] == positions


def test_list_with_a_position_is_unchanged():
    documents = [candidate("a", position=7), candidate("b")]
    assert in_list_order(documents, candidates("x")) is documents


@given(st.integers(-(10**12), 10**12))
def test_an_amount_lies_between_the_edges_of_its_bin(amount):
    number = amount_bin(amount)
    assert EDGES[number] <= max(0, amount)
    assert number + 1 == len(EDGES) or amount < EDGES[number + 1]


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=60))
def test_cutting_the_tail_never_adds(amounts):
    bins: dict[int, Bin] = {}
    for amount in amounts:
        before = bins.get(amount_bin(amount), Bin(0, 0))
        bins[amount_bin(amount)] = Bin(before.count + 1, before.total + amount)
    cut = winsorised({"a": bins}, tail_begin([bins]))["a"]
    assert cut.count == len(amounts)
    assert cut.total <= sum(amounts) * (1 + 1e-9)
    assert cut.total > 0


@pytest.mark.parametrize(
    ("amount", "cart", "share"), [(500, 1_000, CART // 2), (0, 7, 0), (3, 1, 3 * CART), (1, 3, 3_333)]
)
def test_an_amount_is_a_share_of_its_cart(amount, cart, share):
    assert relative_amount(amount, cart) == share


@pytest.mark.parametrize("weight", [0.25, 0.5, 1.0])
def test_faded_amounts_count_less_and_keep_their_mean(weight):
    rows = [AmountRow("card", 1, amount_bin(CART), 1, 8, 8 * CART)]
    days = [DayRow("card", 0, 1, 20, 8, 8, 8 * 5_000)]
    card = amounts_by_candidate(rows, days, lambda _name, _day: weight, typical=5_000)["card"]
    assert card.count == pytest.approx(8 * weight)
    assert card.total / card.count == pytest.approx(5_000)


def test_faded_rows_are_omitted():
    rows = [AmountRow("card", 1, amount_bin(CART), 1, 8, 8 * CART)]
    assert amounts_by_candidate(rows, [], lambda _name, _day: 0.0, typical=5_000) == {}
