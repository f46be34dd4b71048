"""Many sign up at the same time: each gets a merchant of their own, and an address gets one."""

import asyncio

import pytest

from engine.accounts.team import Application
from engine.model.account import MerchantDetails
from engine.model.errors import Conflict, Forbidden, NotFound

pytestmark = pytest.mark.anyio
PASSWORD = "four words make a wall"
BAKERY = Application("Bakery", MerchantDetails())


async def slugs_of(engine) -> list[str]:
    return sorted({merchant.slug for merchant in await engine.accounts.merchants()})


async def test_concurrent_sign_ups_with_one_name_create_two_merchants(engine):
    emails = [f"{number}@bakery.example" for number in range(4)]
    users = await asyncio.gather(*(engine.team.sign_up(email, "Ada", PASSWORD, BAKERY) for email in emails))
    assert sorted(user.slug for user in users) == ["bakery", "bakery-2", "bakery-3", "bakery-4"]
    assert await slugs_of(engine) == ["bakery", "bakery-2", "bakery-3", "bakery-4"]
    for user in users:
        assert [person.email for person in await engine.team.people(user.slug)] == [user.email]


async def test_concurrent_sign_ups_with_one_address_create_one_merchant(engine):
    tries = (engine.team.sign_up("ada@bakery.example", "Ada", PASSWORD, BAKERY) for _ in range(4))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, Conflict) and result.field == "email" for result in results) == 3, results
    assert len(await slugs_of(engine)) == 1


async def test_link_followed_twice_concurrently_creates_one_account(engine):
    token = await engine.team.confirm("ada@bakery.example")
    email = (await engine.team.confirmed(token)).email
    tries = (engine.team.sign_up(email, "Ada", PASSWORD, BAKERY, token=token) for _ in range(3))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, Forbidden) for result in results) == 2, results
    assert len(await slugs_of(engine)) == 1


async def test_an_account_that_cannot_be_opened_leaves_the_link_and_no_merchant(engine):
    token = await engine.team.confirm("ada@bakery.example")
    with pytest.raises(NotFound, match="no tier"):
        await engine.team.sign_up("ada@bakery.example", "Ada", PASSWORD, BAKERY._replace(tier="gone"), token=token)
    assert await slugs_of(engine) == []
    assert (await engine.team.confirmed(token)).email == "ada@bakery.example"
