"""Requests of merchants start in turn."""

from __future__ import annotations

import asyncio

import pytest

from web.http.turns import ALONE_SECONDS, MOST_IN_A_PASS, MOST_OF_ONE_MERCHANT, RequestTurns

pytestmark = pytest.mark.anyio
BURST = 30


async def _begin(turns: RequestTurns, merchant_id: int, begun: list[int]) -> None:
    await turns.wait(merchant_id)
    begun.append(merchant_id)


async def test_single_request_starts_at_once():
    turns, begun = RequestTurns(), []
    for merchant_id in (1, 2):
        coroutine = _begin(turns, merchant_id, begun)
        with pytest.raises(StopIteration):
            coroutine.send(None)
    assert begun == [1, 2]


async def test_a_burst_of_one_merchant_does_not_delay_another():
    turns, begun = RequestTurns(), []
    burst = [asyncio.create_task(_begin(turns, 1, begun)) for _ in range(BURST)]
    await asyncio.sleep(0)
    assert len(begun) == MOST_IN_A_PASS
    await asyncio.gather(_begin(turns, 2, begun), *burst)
    assert begun.index(2) < 3 * MOST_IN_A_PASS
    assert len(begun) == BURST + 1


async def test_requests_of_the_only_merchant_begin_together():
    now, begun = 0.0, []
    turns = RequestTurns(clock=lambda: now)
    await _begin(turns, 2, begun)
    await _begin(turns, 1, begun)
    await asyncio.sleep(0)
    now = ALONE_SECONDS
    burst = [asyncio.create_task(_begin(turns, 1, begun)) for _ in range(MOST_OF_ONE_MERCHANT + 1)]
    await asyncio.sleep(0)
    assert len(begun) == 2 + MOST_OF_ONE_MERCHANT, "not all at once: the loop must read what arrives"
    await asyncio.gather(*burst)
    late = [asyncio.create_task(_begin(turns, 1, begun)) for _ in range(BURST)]
    await asyncio.sleep(0)
    await _begin(turns, 2, begun)
    begun.clear()
    await asyncio.gather(*late)
    among = [asyncio.create_task(_begin(turns, 1, begun)) for _ in range(BURST)]
    await asyncio.sleep(0)
    assert len(begun) == MOST_IN_A_PASS, "another merchant asked just now"
    await asyncio.gather(*among)


async def test_cancelled_request_takes_no_turn():
    turns, begun = RequestTurns(), []
    tasks = [asyncio.create_task(_begin(turns, 1, begun)) for _ in range(BURST)]
    await asyncio.sleep(0)
    for task in tasks[MOST_IN_A_PASS:-1]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await _begin(turns, 2, begun)
    assert begun == [1] * (MOST_IN_A_PASS + 1) + [2]
