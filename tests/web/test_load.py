"""The load generator counts what really happened, and the benchmark measures real decisions."""

import asyncio
import itertools
import json
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest

from benchmarks.process import Server, free_port
from benchmarks.speed import bench_shop
from benchmarks.speed.load import Tally, closed_loop, open_loop, percentile, request
from benchmarks.speed.server import CONSTANT, DECIDE, Contender, measure, requests, uvicorn

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


async def against(handle: Handle, load: Callable[[int], Awaitable[Tally]]) -> Tally:
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        return await load(server.sockets[0].getsockname()[1])


def replying(*pieces: bytes, then_hang_up_after: int | None = None) -> Handle:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in itertools.count():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            if number == then_hang_up_after:
                break
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    return handle


def some(count: int) -> Callable[[], bytes | None]:
    requests = iter([request("POST", "/x", {"a": 1})] * count)
    return lambda: next(requests, None)


def test_fragmented_answer_is_counted_once():
    whole, bodies = answer(200, b'{"a":"\r\n\r\n"}'), []
    for moment in range(1, len(whole), 7):
        tally = asyncio.run(
            against(
                replying(whole[:moment], whole[moment:]),
                lambda port: closed_loop(port, some(3), connections=2, sink=lambda _, body: bodies.append(body)),
            )
        )
        assert (len(tally.latencies), dict(tally.errors)) == (3, {})
    assert set(bodies) == {b'{"a":"\r\n\r\n"}'}


def test_refusals_are_counted_by_status_and_are_no_answers():
    tally = asyncio.run(against(replying(answer(503, b"")), lambda port: closed_loop(port, some(5), connections=1)))
    assert (tally.latencies, dict(tally.errors)) == ([], {503: 5})


def test_requests_that_are_cut_off_are_counted_and_end_the_load():
    handle = replying(answer(200, b"ok"), then_hang_up_after=2)
    tally = asyncio.run(against(handle, lambda port: closed_loop(port, some(1000), connections=4)))
    assert (len(tally.latencies), dict(tally.errors)) == (8, {0: 4})


def test_open_loop_keeps_its_rate_on_a_slow_server():
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            await asyncio.sleep(0.05)
            writer.write(answer(200, b""))

    tally = asyncio.run(against(slow, lambda port: open_loop(port, some(40), rate=100, seconds=0.4, connections=1)))
    assert len(tally.latencies) == 40
    assert max(tally.latencies) > 1.0, "the last request was due after 0.4 s and answered after 2 s"


def test_percentiles_are_nearest_ranks():
    assert [percentile([1, 2, 3, 4], share) for share in (0.5, 0.95, 0.25)] == [2, 4, 1]
    assert math.isnan(percentile([], 0.5))


def test_tallies_of_rounds_add():
    both = Tally([0.1], seconds=1.0) + Tally([0.3], seconds=1.0)
    assert (both.measured.count, both.measured.rate, both.measured.p99) == (2, 1.0, pytest.approx(300))


def test_requests_carry_forty_facts_and_half_of_the_customers_have_a_history():
    sent = [json.loads(item.split(b"\r\n\r\n")[1]) for item in bench_shop.requests("/x", "key", 400, customers=50)]
    assert all(sum(len(group) for group in item["context"].values()) == 40 for item in sent)
    learned = {bench_shop.returning_customer(number) for number in range(50)}
    assert sum(item["customer_id"] in learned for item in sent) == pytest.approx(200, abs=50)


@pytest.mark.long
def test_some_rules_of_the_benchmark_fire_and_most_do_not(tmp_path: Path):
    async def fired() -> list[int]:
        await bench_shop.prepare(tmp_path, customers=5, decisions=2)
        engine = await bench_shop.open_engine(bench_shop.Settings(data=str(tmp_path)))
        await engine.start()
        (merchant,) = [item for item in await engine.accounts.merchants("bench") if item.mode == "live"]
        answers = [
            (await engine.decider.decide(merchant.id, [bench_shop.PLACEMENT], None, bench_shop.context(Random(seed))))[
                0
            ]
            for seed in range(50)
        ]
        await engine.stop()
        assert not any(item.decision.fallback or item.decision.skipped for item in answers)
        return [len(item.decision.rules) for item in answers]

    counts = asyncio.run(fired())
    assert 1 < sum(counts) / 50 < 15


@pytest.mark.long
def test_the_benchmark_compares_durable_decisions_with_a_constant(tmp_path: Path):
    key, port = asyncio.run(bench_shop.prepare(tmp_path, customers=100, decisions=20)), free_port()
    with Server(uvicorn(port), tmp_path, port, {}) as server:
        contenders = {path: Contender(server, requests(path, key, 100)) for path in (CONSTANT, DECIDE)}
        costs = asyncio.run(measure(contenders, connections=4, rounds=1, seconds=0.3))
    for path in (CONSTANT, DECIDE):
        assert costs[path].seen.count > 10
        assert costs[path].seen.errors == {}
    assert costs[DECIDE].cpu > costs[CONSTANT].cpu
