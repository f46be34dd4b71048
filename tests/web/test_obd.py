"""Replaying bandit logs: reading them, playing them against a server, and saying what they show."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import httpx
import pytest
from click.testing import CliRunner

from engine.service import Engine
from engine.settings import Settings
from evaluation.bandit_log import BadLog, LoggedRow, campaign_of, items_of, read_items, read_log
from evaluation.bandit_log_play import LogPlayer, ReplayStopped
from evaluation.bandit_log_report import caveat, learned_rate, matches_to_see_double, report, verdict, wilson
from tests.serving import UNLIMITED
from web.app import create_app
from web.cli.replay import replay

HEAD = ",timestamp,item_id,position,click,propensity_score,user_feature_0\n"


def written(folder: Path, *lines: str, name: str = "random-all.csv", head: str = HEAD) -> Path:
    path = folder / name
    path.write_text(head + "".join(f"{line}\n" for line in lines))
    return path


def test_row_has_item_position_click_and_propensity(tmp_path: Path):
    path = written(tmp_path, "0,2019-11-24,14,3,1,0.0125,abc", "1,2019-11-24,7,1,0,0.5,abc")
    assert read_log(path) == [LoggedRow("14", 3, True, 0.0125), LoggedRow("7", 1, False, 0.5)]


def test_compressed_log_is_read_and_limit_keeps_the_first_rows(tmp_path: Path):
    path = tmp_path / "random-all.csv.gz"
    path.write_bytes(gzip.compress((HEAD + "0,t,14,3,1,0.0125,a\n1,t,7,1,0,0.5,a\n").encode()))
    assert read_log(path, limit=1) == [LoggedRow("14", 3, True, 0.0125)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0,t,14,4,1,0.0125,a", "line 2: position must be 1 to 3, not 4"),
        ("0,t,14,1,yes,0.0125,a", "line 2: click must be 0 or 1"),
        ("0,t,14,1,1,0,a", "line 2: propensity_score must be above 0"),
        ("0,t,14,1,1,nan,a", "line 2: propensity_score must be above 0"),
        ("0,t,,1,1,0.1,a", "line 2: item_id is empty"),
        ("0,t,14", "line 2: "),
    ],
)
def test_invalid_row_is_named_with_the_expected_format(tmp_path: Path, line: str, message: str):
    with pytest.raises(BadLog, match=message):
        read_log(written(tmp_path, line))


def test_other_file_is_refused_with_a_message(tmp_path: Path):
    with pytest.raises(BadLog, match="must name the column item_id"):
        read_log(written(tmp_path, head="a,b\n"))
    with pytest.raises(BadLog, match="there are no rows"):
        read_log(written(tmp_path))
    with pytest.raises(BadLog, match="No such file"):
        read_log(tmp_path / "absent.csv")
    (tmp_path / "broken.csv.gz").write_bytes(b"not gzip")
    with pytest.raises(BadLog, match="not a readable CSV file"):
        read_log(tmp_path / "broken.csv.gz")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadLog, match="not a readable CSV file"):
        read_log(tmp_path / "binary.csv")


def test_items_come_from_their_file_or_from_the_log(tmp_path: Path):
    assert read_items(written(tmp_path, "0,0,.5", "1,1,.5", head=",item_id,item_feature_0\n")) == ["0", "1"]
    assert items_of([LoggedRow("10", 1, False, 0.1), LoggedRow("9", 1, False, 0.1)]) == ["9", "10"]
    with pytest.raises(BadLog, match="appears twice"):
        read_items(written(tmp_path, "0,0,.5", "1,0,.5", head=",item_id,item_feature_0\n"))


def test_the_campaign_is_read_from_the_name():
    assert campaign_of(Path("somewhere/random-all.csv.gz")) == "all"
    assert campaign_of(Path("men.csv")) == "men"


def test_the_interval_is_wilsons():
    rate = wilson(0.1, 100)
    assert (rate.low, rate.high) == (pytest.approx(0.0552, abs=1e-4), pytest.approx(0.1744, abs=1e-4))
    none = wilson(0.0, 125)
    assert none.low == 0
    assert none.high == pytest.approx(0.0298, abs=1e-4)


def test_interval_has_its_nominal_coverage():
    random = Random(1)
    held = 0
    for _ in range(1000):
        clicks = sum(random.random() < 0.03 for _ in range(150))
        rate = wilson(clicks / 150, 150)
        held += rate.low <= 0.03 <= rate.high
    assert held > 920


def test_with_equal_propensities_the_learned_rate_is_the_plain_share():
    rate = learned_rate([LoggedRow("a", 1, True, 0.0125)] + [LoggedRow("a", 1, False, 0.0125)] * 3)
    assert rate.value == pytest.approx(0.25)
    assert rate.weight == pytest.approx(4)


def test_weights_correct_a_biased_log():
    random, matched = Random(2), []
    clicks, shares = {"a": 0.8, "b": 0.2}, {"a": 0.9, "b": 0.1}
    for _ in range(20_000):
        item = "a" if random.random() < shares["a"] else "b"
        if random.random() < 0.5:  # the learned policy shows both alike
            matched.append(LoggedRow(item, 1, random.random() < clicks[item], shares[item]))
    assert learned_rate(matched).value == pytest.approx(0.5, abs=0.03)


def summaries(rows: list[LoggedRow], matched: list[LoggedRow]) -> tuple[str, str]:
    result = report(rows, matched, seconds=1.0, latencies=[0.001] * len(rows))
    return verdict(result), caveat(result)


def test_few_matches_are_not_sold_as_a_result():
    rows = [LoggedRow("a", 1, number < 38, 0.0125) for number in range(10_000)]
    words, trust = summaries(rows, rows[-125:])
    assert "cannot tell" in words
    assert f"{matches_to_see_double(0.0038):,} matches" in words
    assert "fair sample" in trust


def test_clear_difference_and_its_direction_are_printed():
    rows = [LoggedRow("a", 1, number % 10 == 0, 0.5) for number in range(2000)]
    clicked, left = [LoggedRow("a", 1, True, 0.5)] * 900, [LoggedRow("a", 1, False, 0.5)] * 900
    assert "more clicks" in summaries(rows, clicked + left[:100])[0]
    assert "fewer clicks" in summaries(rows, left)[0]
    assert "nothing" in summaries(rows, [])[0]


def test_doubling_takes_the_matches_that_a_simulation_says():
    random, base = Random(3), 0.05
    count, seen = matches_to_see_double(base), 0
    for _ in range(1000):
        share = sum(random.random() < 2 * base for _ in range(count)) / count
        seen += (share - base) / (base * (1 - base) / count) ** 0.5 > 1.96
    assert seen / 1000 == pytest.approx(0.8, abs=0.05)


@asynccontextmanager
async def server(folder: Path, kind: str = "secret", **limits: str) -> AsyncIterator[tuple[httpx.AsyncClient, Engine]]:
    app = create_app(Settings(data=str(folder), refresh_seconds=0.05, **(UNLIMITED | limits)))
    async with app.lifespan():
        engine: Engine = app.state.engine
        merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
        _, key = await engine.accounts.create_key(merchant, kind, "replay", actor_name="test")
        transport, headers = httpx.ASGITransport(app=app), {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as http:
            yield http, engine


def uniform_log(items: int, rows: int) -> list[LoggedRow]:
    """Item 0 is clicked half of the time, the others never."""
    random = Random(4)
    shown = [(str(random.randrange(items)), random.randrange(1, 4)) for _ in range(rows)]
    return [LoggedRow(item, position, item == "0" and random.random() < 0.5, 1 / items) for item, position in shown]


def test_replay_over_http_learns_only_from_matches(tmp_path: Path):
    async def play() -> None:
        async with server(tmp_path) as (http, engine):
            player, rows = LogPlayer(http, "obd.toy", at_once=8), uniform_log(items=4, rows=400)
            assert await player.prepare(items_of(rows))
            played = await player.play(rows)
            assert len(played.latencies) == 400
            assert 40 < len(played.matched) < 300
            await engine.live.refresh(at_once=True)
            merchant = await engine.accounts.merchant("shop")
            page = await engine.monitor.arms(merchant.id, "obd.toy")
            assert sum(arm.trials for arm in page.arms) == len(played.matched)
            assert sum(arm.successes for arm in page.arms) == sum(row.clicked for row in played.matched)
            assert max(page.arms, key=lambda arm: arm.chance or 0.0).id == "0"

    asyncio.run(play())


def test_fallback_answer_is_not_a_match():
    def answer(request: httpx.Request) -> httpx.Response:
        assert not request.url.path.endswith("feedback")
        return httpx.Response(200, json={"decision_id": "dec_1", "fallback": True, "ranking": [{"id": "0"}]})

    async def play() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://shop") as http:
            played = await LogPlayer(http, "obd.toy", at_once=4).play([LoggedRow("0", 1, True, 0.5)] * 3)
            assert (played.matched, played.fallbacks) == ([], 3)

    asyncio.run(play())


def test_replay_waits_at_the_rate_limit():
    statuses = [429, 429, 200]

    def answer(request: httpx.Request) -> httpx.Response:
        body = {"decision_id": "dec_1", "fallback": True, "ranking": []}
        return httpx.Response(statuses.pop(0), json=body, headers={"retry-after": "0"})

    async def play() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://shop") as http:
            played = await LogPlayer(http, "obd.toy", at_once=1).play([LoggedRow("0", 1, True, 0.5)])
            assert (played.fallbacks, statuses) == (1, [])

    asyncio.run(play())


def test_second_replay_continues_with_the_learned_state(tmp_path: Path):
    async def play() -> None:
        async with server(tmp_path) as (http, _):
            player = LogPlayer(http, "obd.toy", at_once=4)
            assert await player.prepare(["0", "1"])
            assert not await player.prepare(["0", "1"])

    asyncio.run(play())


def test_key_without_permission_is_reported(tmp_path: Path):
    async def play() -> None:
        async with server(tmp_path, kind="publishable") as (http, _):
            with pytest.raises(ReplayStopped, match=r"403 .*secret key"):
                await LogPlayer(http, "obd.toy", at_once=4).prepare(["0"])

    asyncio.run(play())


def test_first_failure_ends_the_replay_with_a_reason():
    async def play() -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(503, json={"detail": "try again"}))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
            await LogPlayer(http, "obd.toy", at_once=4).play(uniform_log(4, 100))

    with pytest.raises(ReplayStopped, match="503 try again"):
        asyncio.run(play())


def test_command_reports_an_unreachable_server_in_one_line(tmp_path: Path):
    path = written(tmp_path, "0,t,14,3,1,0.0125,a")
    result = CliRunner().invoke(replay, ["obd", str(path), "--url", "http://127.0.0.1:9", "--key", "sk_live_x"])
    assert result.exit_code == 1
    assert "no answer from http://127.0.0.1:9" in result.output
    assert "Traceback" not in result.output


def test_command_reports_an_invalid_file_in_one_line(tmp_path: Path):
    path = written(tmp_path, "0,t,14,9,1,0.0125,a")
    result = CliRunner().invoke(replay, ["obd", str(path), "--key", "sk_live_x", "--json"])
    assert result.exit_code == 1
    assert "random-all.csv, line 2: position must be 1 to 3, not 9" in result.output


def test_the_command_prints_one_json_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def answer(request: httpx.Request) -> httpx.Response:
        body = {"decision_id": "dec_1", "fallback": False, "ranking": [{"id": "7"}, {"id": "8"}, {"id": "14"}]}
        return httpx.Response(202 if request.url.path.endswith("feedback") else 200, json=body)

    real = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **given: real(**given, transport=httpx.MockTransport(answer)))
    path = written(tmp_path, "0,t,14,3,1,0.0125,a", "1,t,7,2,0,0.0125,a")
    result = CliRunner().invoke(replay, ["obd", str(path), "--key", "sk_live_x", "--json"])
    document = json.loads(result.stdout)
    assert (document["rows"], document["matches"], document["clicks"]) == (2, 1, 1)
    assert document["placement"] == "obd.all"
    assert {"logged", "learned", "decisions_per_second", "p50", "p95", "p99", "verdict"} <= set(document)
