"""Trying a customer on every variant of an experiment: the answers side by side, and which the customer gets."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from sqlalchemy import update

from engine.kernel.experiments.plans import variant_of
from engine.store.tables import experiment_exposures
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from tests.web.test_admin_experiments import PAGE, PLACEMENT, act, create, stored

HTMX = {"hx-request": "true"}
TRY = f"{PAGE}/try"
GERMANY = '{"==": [{"var": "geo.country"}, "DE"]}'


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """An admin of a merchant whose methods come in its own order."""
    address = f"/v1/placements/{PLACEMENT}"
    body = {"key": PLACEMENT, "name": "Payment methods", "policy": {"type": "fixed"}}
    headers = {"if-match": side.client.get(address).headers["etag"]}
    answer = side.client.put(address, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return add_person(server, side)


def tried(person: Person, **values: Any) -> str:
    """Try facts and return the answers as text."""
    sent = {"csrf": person.csrf(), "start": "scratch", "started": "scratch", **values}
    answer = person.client.post(person.address(TRY), data=sent, headers=HTMX)
    assert answer.status_code == 200, answer.text
    return words(answer.text)


def words(text: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def column(text: str, name: str) -> str:
    """Return the text below the name of a variant."""
    return text.partition(name)[2]


def test_each_variant_answers_beside_the_others(person: Person) -> None:
    create(person)
    text = tried(person, **{"f.cart.total": "50.00", "f.geo.country": "Germany"})
    assert "Nobody is enrolled now." in text
    assert "Differs" in column(text, "PayPal on top")
    assert column(text, "PayPal on top").split()[:2] == ["Differs", "PayPal"]


def test_the_order_of_a_variant_is_shown(person: Person) -> None:
    create(person)
    answer = person.client.get(person.address(TRY), headers=HTMX)
    columns = re.findall(r'<section class="try-column.*?</section>', answer.text, re.DOTALL)
    firsts = [words(re.findall(r"<li>.*?</li>", each, re.DOTALL)[0]) for each in columns]
    assert len(firsts) == 2
    assert firsts[1] == "PayPal"
    assert firsts[0] != "PayPal"


def test_variant_without_a_change_has_a_message(person: Person) -> None:
    create(person, **{"v1.order": ["", "", ""], "v1.rules_off": ["no-invoice-for-large-carts"]})
    assert "Same as the control" in tried(person, **{"f.cart.total": "1.00"})


def test_the_variant_of_a_customer_is_marked(server: Server, side: Side, person: Person) -> None:
    create(person, share="100")
    act(person, "start")
    side.decide("c_7")
    decision = server.run(server.engine.logbook.search(side.merchant.id, placement=PLACEMENT, limit=1))[0]
    assert decision.row.customer
    variant = variant_of(stored(server, side), decision.row.customer)
    assert variant
    text = tried(person, start=decision.row.id, started="")
    assert f"This customer gets “{variant.name}”." in text
    assert text.count("Gets this") == 1
    assert "Which variant it would be depends on the customer" in tried(person)


def test_the_variant_that_a_bandit_gave_a_customer_is_marked(server: Server, side: Side, person: Person) -> None:
    """Shares move, so the weights do not say which variant a customer has: the first exposure does."""
    create(person, share="100", allocation="bandit")
    act(person, "start")
    side.decide("c_7")
    decision = server.run(server.engine.logbook.search(side.merchant.id, placement=PLACEMENT, limit=1))[0]
    document = stored(server, side)
    by_weights = variant_of(document, decision.row.customer)
    other = next(variant for variant in document.variants if variant != by_weights)

    async def expose_to_the_other() -> None:
        async with server.engine.database.write() as connection:
            of_merchant = experiment_exposures.c.merchant_id == side.merchant.id
            await connection.execute(update(experiment_exposures).where(of_merchant).values(variant=other.id))

    server.run(expose_to_the_other())
    assert f"This customer gets “{other.name}”." in tried(person, start=decision.row.id, started="")


def test_customer_outside_the_audience_gets_the_published_answer(person: Person) -> None:
    create(person, share="100", when=GERMANY)
    act(person, "start")
    assert "Not in the audience" in tried(person, **{"f.geo.country": "France"})
    assert "Not in the audience" not in tried(person, **{"f.geo.country": "Germany"})
    act(person, "pause", **{"reason:pause": "Support calls"})
    assert "Everybody gets the control now." in tried(person)


def test_decision_is_searched(side: Side, person: Person) -> None:
    create(person)
    side.decide("c_8")
    text = tried(person, find="nobody", looked="")
    assert "No decision and no customer of this placement has this id." in text
    assert "No decision and no customer" not in tried(person, find="c_8", looked="")


def test_the_page_works_without_scripts(side: Side, person: Person) -> None:
    create(person)
    side.decide("c_9")
    assert f'href="{person.address(TRY)}"' in person.get(PAGE)
    page = person.get(TRY)
    assert "Try a customer" in page
    assert "As it is now" in page
    answer = person.send(TRY, start="scratch", started="scratch", **{"f.cart.total": "twelve"})
    assert "It is treated as not sent." in answer.text


def test_trial_leaves_no_data(server: Server, side: Side, person: Person) -> None:
    create(person)
    before = stored(server, side)
    tried(person)
    assert stored(server, side) == before
    assert server.run(server.engine.logbook.search(side.merchant.id, placement=PLACEMENT)) == []
