import pytest

pytestmark = pytest.mark.anyio


async def test_smoke(shop):
    a = await shop.decide("c1", cart_total=500)
    print(a.decision)
    assert len(a.decision.ranking) == 6
