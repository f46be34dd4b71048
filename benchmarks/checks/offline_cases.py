"""Make tests/specs/offline.json: snapshots of every policy, and the answers that the kernel gives by them.

`python -m benchmarks.checks.offline_cases` writes the file again. The clients of all languages read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bandits.choice.model import ChoiceModel
from bandits.choice.observations import ChoiceObservation, aggregate
from benchmarks.process import ROOT
from engine.decisions.offline.snapshot_document import BeliefsInForce, offline_plan, snapshot_refusal
from engine.decisions.requests.answers import expires_at
from engine.kernel.beliefs import ArmBelief, Knowledge
from engine.kernel.choice_beliefs import state_of
from engine.kernel.kernel import decide
from engine.kernel.plan import Plan, PlanDocument, stratum_name
from engine.kernel.spread import ProbeShares
from engine.learning.active import Active
from engine.model.decision import Decision
from engine.model.facts import Facts
from engine.model.placement import Candidate, Fixed, One, Placement, RuleDocument, Split, Subset, Thompson
from engine.model.standard_vocabulary import STANDARD
from engine.model.timestamps import moment_of
from engine.store.beliefs import Snapshot

FILE = ROOT / "tests" / "specs" / "offline.json"
CANDIDATES = (
    Candidate(id="card", label="Card", position=0),
    Candidate(id="paypal", label="PayPal", position=1, devices=("mobile", "desktop")),
    Candidate(id="klarna", label="Klarna", position=2, min_amount=2_000, max_amount={"EUR": 90_000, "GBP": 80_000}),
    Candidate(id="ideal", label="iDEAL", position=3, countries=("NL",), currencies=("EUR",)),
)
IDS = tuple(candidate.id for candidate in CANDIDATES)
ALWAYS = {"==": [1, 1]}
PIN = {"pin": {"candidate": "ideal", "slot": 2}}
LATE_PIN = {"pin": {"candidate": "card", "slot": 4}}
BOOST = {"boost": {"candidates": ["paypal"], "factor": 1.6}}
EXCLUDE = {"exclude": ["klarna"]}
SET = {"set": {"name": "show_cvv", "value": True}}
THOMPSON = Thompson(floor=0.05)
FIRST_ID, STEP = 0x19AA3F1C2B4, 977
CONTEXTS: tuple[dict[str, Any], ...] = (
    {},
    {"device": {"type": "mobile"}, "geo": {"country": "DE"}, "cart": {"total": 12_900, "currency": "EUR"}},
    {"device": {"type": "tablet"}, "geo": {"country": "NL"}, "cart": {"total": 1_999, "currency": "EUR"}},
    {"device": {"type": "desktop"}, "geo": {"country": "NL"}, "cart": {"total": 90_001, "currency": "GBP"}},
    {"device": {"type": None}, "geo": None, "cart": {"total": 500_000, "currency": "USD"}},
    {"device": "mobile", "cart": {"total": 2_000}, "other": {"constructor": 1}},
    {"device": {"type": "Mobile"}, "geo": {"country": "DE"}},
    {"geo": {"country": "deu"}},
    {"cart": {"total": 12.5}},
)
UNREADABLE = 3
"""The last contexts have facts that the server converts; a client leaves such a request to the fallback order."""


class Setting(NamedTuple):
    """A placement with rules; `suspended` and `probes` are those of its beliefs."""

    name: str
    placement: Mapping[str, Any]
    effects: tuple[dict[str, Any], ...] = ()
    suspended: tuple[str, ...] = ()
    probes: ProbeShares | None = None


SETTINGS = (
    Setting("trials", {"policy": THOMPSON, "credit": "cascade"}),
    Setting("trials by bucket, boost, one away", {"policy": THOMPSON, "credit": "cascade", "buckets": ("device.type",)},
            (BOOST, SET), ("card",)),
    Setting("trials, revenue, shares of the floor", {"policy": THOMPSON, "credit": "cascade", "reward": "revenue"},
            (BOOST,), (), ProbeShares(3.0, {"card": 0.5, "klarna": 0.1})),
    Setting("trials, fewest", {"policy": THOMPSON, "credit": "cascade", "goal": "minimise"}, (BOOST, EXCLUDE)),
    Setting("choices by stratum, pin, two away with shares", {"policy": THOMPSON, "buckets": ("device.type",)},
            (PIN, LATE_PIN, BOOST), ("paypal", "ideal"), ProbeShares(2.0, {"card": 0.4, "klarna": 0.3})),
    Setting("choices, two of them", {"policy": Thompson(floor=0.01, drawn=1), "shape": Subset(2)}, (LATE_PIN,)),
    Setting("split", {"policy": Split({"card": 3, "klarna": 2})}, (PIN, SET)),
    Setting("one of a split", {"policy": Split(), "shape": One()}, (EXCLUDE,)),
    Setting("fixed", {"policy": Fixed()}, (BOOST, PIN)),
    Setting("nobody is left", {"policy": Fixed()}, ({"exclude": list(IDS)},)),
)  # fmt: skip


def active_of(setting: Setting) -> Active:
    """Return the plan of a setting with what its policy would have learned."""
    placement = Placement(**{"key": "payment_methods", "name": "Payment methods"} | dict(setting.placement))
    rule = RuleDocument(id="r1", name="Rule", when=ALWAYS, effects=setting.effects)
    document = PlanDocument(
        placement=placement,
        candidates=CANDIDATES,
        rules=(rule,) if setting.effects else (),
        fields=STANDARD,
        currency="EUR",
        keeps_order=True,
    )
    active = Active(Plan(document, version=3))
    for version, bucket in enumerate(("", "mobile"), 7):
        if not bucket or (placement.buckets and not active.plan.learns_choices):
            snapshot = Snapshot(
                1, placement.key, version, placement.reward, bucket, _knowledge(active.plan, setting, version), 0
            )
            active.beliefs[bucket] = active.make(snapshot)
    return active


def _knowledge(plan: Plan, setting: Setting, version: int) -> Knowledge:
    rng = np.random.default_rng(version)
    successes = [60, 75, 40, 55]
    arms = {
        name: ArmBelief(200.0, float(count), priced=40.0, amount=40.0 * (5_000 + 400 * count))
        for name, count in zip(IDS, successes, strict=True)
    }
    knowledge = Knowledge(arms, suspended=setting.suspended, probes=setting.probes)
    if not plan.learns_choices:
        return knowledge
    own = stratum_name("mobile" if plan.placement.buckets else "", False, IDS[:3], ["r1"] if setting.effects else [])
    seen = [
        ChoiceObservation(tuple(rng.permutation(IDS).tolist()), own, (int(rng.integers(4)),) if number % 2 else ())
        for number in range(300)
    ]
    state = state_of(ChoiceModel.nothing().after(aggregate(seen)), IDS, cursor=1, day=1)
    return msgspec.structs.replace(knowledge, choice=state)


def answer_of(active: Active, context: Mapping[str, Any], id: str) -> Decision:
    """Return the kernel's answer for a guest."""
    values = active.plan.intake.values(context)
    beliefs = active.beliefs_for(active.plan.bucket(values))
    return decide(active.plan, beliefs, Facts(values), id, expires_at=expires_at(active.plan, moment_of(id)))


def _shown(answer: Decision) -> dict[str, Any]:
    """Return what a client says of its decision."""
    return {
        "ranking": [
            {name: getattr(ranked, name) for name in ("id", "rank", "label", "score", "confidence", "chance")}
            for ranked in answer.ranking
        ],
        "excluded": [{"id": excluded.id} for excluded in answer.excluded],
        "values": answer.values,
        "propensity": answer.propensity,
        "expires_at": answer.expires_at,
    }


def cases_of(active: Active, *, rounds: int = 3) -> Iterator[dict[str, Any]]:
    """Yield requests with the answers of the kernel; null where a client must not decide."""
    readable = len(CONTEXTS) - UNREADABLE
    for number in range(rounds * len(CONTEXTS)):
        context = CONTEXTS[number % len(CONTEXTS)]
        id = f"dec_{FIRST_ID + number * STEP:012x}{'0123456789abcd'}{number:06x}"
        is_read = number % len(CONTEXTS) < readable
        yield {"id": id, "context": context, "answer": _shown(answer_of(active, context, id)) if is_read else None}


def document() -> dict[str, Any]:
    """Return the whole file."""
    settings = []
    for setting in SETTINGS:
        active = active_of(setting)
        assert not snapshot_refusal(active, is_browser=False), setting.name
        plan = msgspec.to_builtins(offline_plan(active.plan, BeliefsInForce.of(active)))
        settings.append({"name": setting.name, "plan": plan, "cases": list(cases_of(active))})
    return {"about": "Answers of guests by a snapshot: null where a client must not decide", "settings": settings}


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), separators=(",", ":")) + "\n")
