"""Answers that a preview draws many at once: each is the kernel's, bit for bit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernel.beliefs import ArmBelief, Knowledge
from engine.kernel.kernel import bounds_for, decide
from engine.learning.active import Active
from engine.model.facts import Facts, Past
from engine.model.placement import Contextual, Fixed, One, Ranking, Split, Subset, Thompson
from engine.previews.estimation.drawing import AllowedCandidates, Drawing, Request
from engine.store.beliefs import Snapshot
from tests.factories import ALWAYS, EXPIRES, METHODS, candidate, placement, plan, rule

METHOD = st.sampled_from(METHODS)
EFFECTS = st.one_of(
    st.builds(lambda id: {"exclude": [id]}, METHOD),
    st.builds(lambda id, slot: {"pin": {"candidate": id, "slot": slot}}, st.sampled_from(METHODS), st.integers(1, 7)),
    st.builds(
        lambda id, by: {"boost": {"candidates": [id], "factor": by}}, st.sampled_from(METHODS), st.floats(0.1, 9)
    ),
)
POLICIES = st.one_of(
    st.just(Fixed()),
    st.builds(Split, st.dictionaries(METHOD, st.sampled_from([0.0, 0.3, 1.0, 7.0]), max_size=6)),
    st.builds(Thompson, st.sampled_from([0.0, 0.013, 0.5]), st.integers(1, 7), st.booleans()),
    st.builds(Contextual, st.just(("device.type", "cart.total")), drawn=st.integers(1, 4)),
)
PLACEMENTS = st.builds(
    lambda **fields: placement(**fields),
    shape=st.one_of(st.just(Ranking()), st.just(One()), st.builds(Subset, st.integers(1, 5))),
    policy=POLICIES,
    reward=st.sampled_from(["converted", "revenue", "margin"]),
    goal=st.sampled_from(["maximise", "minimise"]),
)
PASTS = st.dictionaries(
    METHOD, st.builds(lambda n, s: Past(n, n * s, 1), st.floats(0.1, 9), st.floats(0, 1)), max_size=3
)
REQUESTS = st.lists(st.tuples(PASTS, st.integers(0, 40_000), st.integers(0, 2)), min_size=1, max_size=12)
# Rates so near to 0 and 1 that draws are equal in single precision: ties are shared.
HISTORIES = [
    Snapshot(1, "payment_methods", version, "converted", "", Knowledge(arms, customer_strength=3.7), 0)
    for version, arms in enumerate([
        {},
        {name: ArmBelief(40.0 + n, 7.0 * n, priced=5.0, amount=900.0 * n) for n, name in enumerate(METHODS)},
        dict.fromkeys(METHODS, ArmBelief(1e9, 1e9)),
    ])
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(PLACEMENTS, st.lists(EFFECTS, max_size=3), REQUESTS)
def test_batch_gives_the_same_answers_as_single_requests(tested_placement, effects, cases):
    rules = [rule(effect, id=f"r{number}", when=ALWAYS) for number, effect in enumerate(effects)]
    fees = tuple(candidate(id, position=n, fee_fixed=37 * n) for n, id in enumerate(METHODS))
    active = Active(plan(*rules, placement=tested_placement, candidates=fees))
    made = [active.beliefs_of(item) for item in HISTORIES]
    requests = [
        Request(
            f"dec_{number}", Facts({"cart.total": total, "device.type": "mobile"}, past, f"c{total}"), made[version]
        )
        for number, (past, total, version) in enumerate(cases)
    ]
    where = AllowedCandidates.of(active.plan, bounds_for(active.plan, {}, active.plan.rules))
    drawing = Drawing(where, requests)
    orders = drawing.orders()
    slots = list(drawing.along(orders))
    for number, item in enumerate(requests):
        alone = decide(active.plan, item.beliefs, item.facts, item.key, expires_at=EXPIRES).ranking
        assert [where.offered[index] for index in orders[number]] == [slot.id for slot in alone]
        assert [float(moment[number, index]) for moment, index in zip(slots, orders[number], strict=True)] == [
            slot.chance for slot in alone
        ]
        first = dict(zip(where.offered, slots[0][number].tolist(), strict=True))
        assert [first[slot.id] for slot in alone] == [slot.confidence for slot in alone]
