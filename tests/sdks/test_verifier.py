"""The verifier in JavaScript recomputes every decision, and names the first that is not as it should be."""

from __future__ import annotations

import json
import random
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import bandits
from benchmarks.checks.drawn_orders import (
    BOOST,
    EXCLUDE,
    FACTS,
    HISTORY,
    IDS,
    PIN,
    SETTINGS,
    THOMPSON,
    Setting,
    plan_of,
    snapshot_of,
)
from engine.clock import now_ms
from engine.customers.changes import Changer
from engine.insights.verification_export import export_for_verification
from engine.insights.verification_lines import AnsweredRequest, ChainedLines, VerificationLines
from engine.kernel.kernel import decide
from engine.kernel.spread import ProbeShares
from engine.learning.active import Active
from engine.model.documents.preferences import PreferenceChange
from engine.model.experiment import Experiment, Variant
from engine.model.facts import Facts, Past
from engine.model.placement import Fixed, Holdback, One, Split, Subset, Thompson
from engine.model.timestamps import DAY
from tests import factories
from tests.marks import SQLITE
from tests.sdks import node
from tests.shop import Shop

FOLDER = node.PACKAGE.parent / "verifier"
DECISIONS = 12
LATE_PINS = ({"pin": {"candidate": "card", "slot": 7}}, {"pin": {"candidate": "klarna", "slot": 8}})
OTHERS = (
    Setting("choices, revenue, history", {"policy": THOMPSON, "reward": "revenue"}, (PIN, BOOST), True),
    Setting("trials, fewest", {"policy": THOMPSON, "credit": "cascade", "goal": "minimise"}, (BOOST,), True),
    Setting("choices, fewest", {"policy": THOMPSON, "goal": "minimise"}, (BOOST, EXCLUDE), True),
    Setting("fixed", {"policy": Fixed()}, (BOOST, PIN)),
    Setting("one of a split", {"policy": Split(), "shape": One()}, (EXCLUDE,)),
    Setting("two, a pin beyond", {"policy": THOMPSON, "shape": Subset(2)}, (PIN, LATE_PINS[0])),
    Setting("the first of two pins", {"policy": THOMPSON}, (PIN, {"pin": {"candidate": "card", "slot": 2}})),
    Setting("required", {"policy": THOMPSON}, ({"require": ["card", "klarna", "ideal"]}, EXCLUDE)),
    Setting("pins beyond the end", {"policy": THOMPSON}, (EXCLUDE, *LATE_PINS)),
)


@pytest.fixture(autouse=True)
def _skip_without_node() -> None:
    if not node.NODE:
        pytest.skip("Node is missing")


def verified(path: Path) -> str:
    return node.run(FOLDER, "node", "verify.mjs", str(path))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decisions of every policy, with pins, boosts, exclusions, histories, margins and amounts."""
    lines, luck = VerificationLines(), random.Random(5)
    content = [lines.header(0, 1)]
    for number, setting in enumerate((*SETTINGS, *OTHERS)):
        active = Active(plan_of(setting))
        snapshot = snapshot_of(active.plan)
        if number % 2:
            probes = ProbeShares(3.0, {"card": 0.5, "klarna": 0.1})
            knowledge = msgspec.structs.replace(snapshot.knowledge, suspended=("paypal",), probes=probes)
            snapshot = snapshot._replace(knowledge=knowledge)
        beliefs = active.make(snapshot)
        for index in range(DECISIONS):
            history = {id: Past(luck.random() * 9, luck.random() * 5, 1) for id in luck.sample(IDS, index % 3)}
            facts = Facts(dict(FACTS), HISTORY if setting.history and index % 2 else history, f"c{index}")
            decision = decide(active.plan, beliefs, facts, f"dec_{number:012x}{index:020x}", expires_at="")
            content += lines.decision(active, snapshot, AnsweredRequest(decision, facts, {}))
    path = tmp_path_factory.mktemp("verifier") / "log.ndjson"
    path.write_bytes(b"".join([*content, lines.end()]))
    return path


def test_the_numbers_of_keys_are_those_of_the_specs():
    assert "# fail 0" in node.run(FOLDER, "npm", "test")


def test_every_policy_is_recomputed_bit_for_bit(log: Path):
    # Contextual scores that are multiplied are exponentials, which processors round differently.
    assert verified(log) == f"{19 * DECISIONS} decisions, all as recomputed; {2 * DECISIONS} left out by the export\n"


def lines_of_a_random_draw(luck: np.random.Generator, number: int) -> list[tuple[str, dict[str, Any]]]:
    """Draw with random tables instead of beliefs: few different numbers, so that several candidates win many draws."""
    count, sets, columns = int(luck.integers(1, 12)), int(luck.integers(1, 3)), int(luck.choice((1, 7, 130, 300, 1024)))
    ids, key = [f"m{index}" for index in range(count)], f"dec_{number}"
    draws = luck.integers(1, 6, (sets, count, columns)).astype(np.float32)
    means, shares = luck.random((sets, count)), luck.random(count if number % 3 else 0)
    suspended = luck.random(count if number % 4 == 1 else 0) < 0.3
    suspended[:1] = False
    past = luck.integers(0, 3, (1, 2, count)).astype(np.float64) if number % 5 == 2 else bandits.NO_PASTS
    weights = luck.integers(-1, 3, (1, count)).astype(np.float64) if number % 5 > 2 else bandits.NO_WEIGHTS
    pins = dict(zip(luck.permutation(count + 2)[:2].tolist(), luck.permutation(count)[:2].tolist(), strict=False))
    hashes = np.array([bandits.candidate_hash(name) for name in ids], np.uint64)
    candidates = bandits.Candidates(draws, means, hashes, 0.1, shares, suspended)
    answer = bandits.arrange(candidates, bandits.Slots(count, 3, pins), bandits.Requests.of(key, past, weights, 2.5))
    effects = [{"pin": {"candidate": ids[index], "slot": slot + 1}} for slot, index in pins.items()]
    plan = {"candidates": ids, "rules": {"r": effects}, "policy": {"type": "thompson", "drawn": 3}, "variants": []}
    limits = {"fired": ["r"], "catalogue": [], "preferred": [], "rows": list(range(count)), "means": means.tolist(),
              "floor": 0.1, "shares": shares.tolist(), "away": suspended.tolist(), "strength": 2.5}  # fmt: skip
    own = {"past": past[0].tolist()} if past.size else {"weights": weights[0].tolist()} if weights.size else {}
    ranking = [
        [ids[index], answer.means[index], answer.first[index], answer.chances[slot]]
        for slot, index in enumerate(answer.order)
    ]
    shown = {"ranking": ranking, "excluded": [], "rules": ["r"], "values": {}, "experiments": [], "fallback": False}
    return [
        ("plan", {"n": 0, **plan}),
        ("draws", {"n": 0, "shape": draws.shape, "data": b64encode(draws.tobytes()).decode()}),
        ("limits", {"n": 0, "plan": 0, "draws": 0, **limits}),
        ("decision", {"id": key, "limits": 0, **shown, **own, "propensity": answer.propensity}),
    ]


def test_draws_of_any_size_with_ties_pasts_weights_and_pins(tmp_path: Path):
    luck, chain, path = np.random.default_rng(8), ChainedLines(), tmp_path / "random.ndjson"
    drawn = [line for number in range(150) for line in lines_of_a_random_draw(luck, number)]
    lines = [("log", {"format": 1}), *drawn, ("end", {"decisions": 150})]
    path.write_bytes(b"".join(chain.line(kind, document) for kind, document in lines))
    assert verified(path).startswith("150 decisions, all as recomputed")


@pytest.mark.parametrize("kind", ["bits", "lies"])
def test_every_changed_bit_is_detected(log: Path, kind: str):
    done = node.run(FOLDER, "node", "test/changes.mjs", str(log), "30", kind)
    assert json.loads(done) == {"changes": 30, "missed": 0}


def rewritten(log: Path, folder: Path, lines: Sequence[dict]) -> Path:
    """Write lines with right digests, as a server that lies would."""
    chain, path = ChainedLines(), folder / "other.ndjson"
    bodies = [{name: value for name, value in line.items() if name not in ("kind", "digest")} for line in lines]
    path.write_bytes(b"".join(chain.line(line["kind"], body) for line, body in zip(lines, bodies, strict=True)))
    return path


def refused(path: Path) -> str:
    with pytest.raises(AssertionError) as refusal:
        verified(path)
    return str(refusal.value)


def test_the_first_difference_is_named_with_both_values(log: Path, tmp_path: Path):
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert "all as recomputed" in verified(rewritten(log, tmp_path, lines))
    index, line = next((index, line) for index, line in enumerate(lines) if line["kind"] == "decision")
    id, _, _, chance = line["ranking"][0]
    line["ranking"][0][3] = chance / 2
    expected = f"chance of {id} in slot 1 is {chance / 2}, recomputed {chance}"
    assert refused(rewritten(log, tmp_path, lines)) == f"line {index + 1}, decision {line['id']}: {expected}\n"


def test_order_of_another_id_is_detected(tmp_path: Path):
    """The chances are those of the order, but the id of the decision draws another order."""
    active, facts, path = Active(plan_of(SETTINGS[0])), Facts(dict(FACTS)), tmp_path / "other.ndjson"
    snapshot, orders = snapshot_of(active.plan), []
    beliefs = active.make(snapshot)
    for key in ("dec_2", "dec_1"):
        answer = decide(active.plan, beliefs, facts, key, expires_at="")
        orders.append([ranked.id for ranked in answer.ranking])
        lines, named = VerificationLines(), msgspec.structs.replace(answer, decision_id="dec_1")
        written = lines.decision(active, snapshot, AnsweredRequest(named, facts, {}))
        path.write_bytes(b"".join([lines.header(0, 1), *written, lines.end()]))
        if key == "dec_2":
            message = refused(path)
    assert "1 decisions, all as recomputed" in verified(path)
    first, second = (json.dumps(order, separators=(",", ":")) for order in orders)
    assert first != second
    assert f"order is {first}, recomputed {second}" in message


def test_missing_file_prints_one_line(tmp_path: Path):
    assert refused(tmp_path / "none.ndjson").count("\n") == 1
    assert refused(tmp_path / "none.ndjson").startswith("ENOENT")


def test_missing_moved_or_truncated_line_is_detected(log: Path, tmp_path: Path):
    path, lines = tmp_path / "cut.ndjson", log.read_text().splitlines(keepends=True)
    for other, number in (
        (lines[:-1], len(lines)),
        (lines[:5] + lines[6:], 6),
        (lines[1:], 1),
        ([*lines, lines[-1]], 0),
    ):
        path.write_text("".join(other))
        assert f"line {number or len(lines) + 1}" in refused(path)


@SQLITE
@pytest.mark.anyio
async def test_a_log_with_experiments_holdback_preferences_and_a_fallback(
    empty_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shop, before = empty_shop, Thompson(floor=0.1)
    await shop.add_placement(
        factories.placement(holdback=Holdback(share=0.2), credit="choice", policy=Thompson(floor=0.05))
    )
    await shop.create(
        "rule",
        factories.rule(
            {"pin": {"candidate": "ideal", "slot": 9}},
            {"exclude": ["card"]},
            {"set": {"name": "note", "value": 1.5}},
            when=factories.CART_OVER_100,
        ),
    )
    variants = (Variant(id="a", name="As before", policy=before), Variant(id="b", name="Another", order=("paypal",)))
    experiment = Experiment(id="other", name="Other", share=0.7, variants=variants, minimum_days=0)
    await shop.engine.experiments.create(shop.actor(), "payment_methods", experiment)
    await shop.engine.experiments.start(shop.actor(), "payment_methods", "other")
    preferences = PreferenceChange(default_method="klarna", excluded=("paypal",))
    await shop.engine.preferences.change(shop.id, "c3", preferences, Changer("server", "key 1"))
    for number in range(60):
        answer = await shop.decide(f"c{number % 20}", cart_total=number * 400, device_type="mobile")
        await shop.report(answer, "converted", answer.decision.ranking[0].id)
        if number % 20 == 19:
            await shop.engine.live.refresh(at_once=True)
    with monkeypatch.context() as broken:
        broken.setattr(shop.engine.decider, "_answer", lambda *_: 1 / 0)
        assert (await shop.decide("c1")).decision.fallback
    await shop.decide("c1")
    path, now = tmp_path / "log.ndjson", now_ms()
    total = await export_for_verification(shop.engine.database, shop.id, path, begin=now - DAY, end=now + DAY)
    content = path.read_text()
    assert '"fallback":true' in content
    assert '["holdback","not_personalized"]' in content
    assert '["other","b"]' in content
    assert total.left_out == {}
    assert verified(path) == "62 decisions, all as recomputed; 0 left out by the export\n"


def test_the_verifier_is_short_enough_to_be_read():
    lines = [line.strip() for path in FOLDER.glob("*.mjs") for line in path.read_text().splitlines()]
    assert len([line for line in lines if line and not line.startswith(("//", "/**"))]) <= 300
