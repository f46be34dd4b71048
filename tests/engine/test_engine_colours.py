"""Numbers of candidates, which give their colours: given once, kept for good, and taken over from positions."""

from __future__ import annotations

import json

import pytest
from alembic import command
from sqlalchemy import create_engine, select, text

from engine.configuration.configuration import Change, Configuration
from engine.migrate import configuration as migrations
from engine.model.documents.colours import next_number
from engine.model.resource import Resource
from engine.store.releases import colours
from engine.store.tables import candidate_colours
from tests.factories import candidate, placement

KEY = "payment_methods"
MERCHANT = """
INSERT INTO merchants (id, slug, mode, name, country, currency, locale, timezone, created_at, revision)
VALUES (1, 's', 'live', 'S', 'DE', 'EUR', 'de', 'UTC', 1, 0)
"""


def resource(id, position, *, placement_key=KEY):
    return Resource("candidate", placement_key, id, 1, candidate(id, position=position), 0)


def test_numbers_follow_the_order_and_are_not_reused():
    assert next_number({}) == 0
    assert next_number({"card": 0, "gone": 4}) == 5
    stored = Configuration([resource("card", 3), resource("paypal", 1)], 1, colours={KEY: {"card": 0, "gone": 1}})
    # A draft's newcomer has the number that it will get.
    assert stored.colours(KEY) == {"card": 0, "gone": 1, "paypal": 2}
    after = stored.with_changes([Change(None, resource("ideal", 0)), Change(resource("card", 3), None)])
    assert after.colours(KEY) == {"card": 0, "gone": 1, "ideal": 2, "paypal": 3}
    assert stored.colours("other") == {}


@pytest.mark.anyio
async def test_publisher_numbers_created_candidates(empty_shop):
    await empty_shop.add_placement(placement(), candidate("card", position=5), candidate("paypal", position=1))
    async with empty_shop.engine.database.read() as connection:
        [numbers] = (await colours.of_merchant(connection, empty_shop.id)).values()
    assert sorted(numbers.values()) == [0, 1]
    async with empty_shop.engine.database.write() as connection:
        created = [(None, resource("b", 9)), (None, resource("a", 8)), (resource("card", 5), None)]
        await colours.follow(connection, empty_shop.id, created)
        await colours.follow(connection, empty_shop.id, [(None, resource("a", 0)), (None, resource("card", 0))])
    async with empty_shop.engine.database.read() as connection:
        [after] = (await colours.of_merchant(connection, empty_shop.id)).values()
    assert after == numbers | {"a": 2, "b": 3}


def test_earlier_candidates_keep_the_colours_of_their_positions(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'tap2.sqlite'}")
    with engine.begin() as connection:
        command.upgrade(migrations(connection), "0033")
        connection.execute(text(MERCHANT))
        for placement_key, id, position in (
            (KEY, "card", 7),
            (KEY, "ideal", 2),
            (KEY, "paypal", 2),
            ("offers", "gift", 0),
        ):
            document = json.dumps({"id": id, "position": position})
            values = {"place": placement_key, "id": id, "document": document}
            row = "INSERT INTO resources VALUES (1, 'candidate', :place, :id, 1, :document, 0)"
            connection.execute(text(row), values)
    with engine.begin() as connection:
        command.upgrade(migrations(connection), "0034")
        rows = {(row.placement, row.candidate): row.number for row in connection.execute(select(candidate_colours))}
    assert rows == {(KEY, "ideal"): 0, (KEY, "paypal"): 1, (KEY, "card"): 2, ("offers", "gift"): 0}
    with engine.begin() as connection:
        command.downgrade(migrations(connection), "0033")
    engine.dispose()
