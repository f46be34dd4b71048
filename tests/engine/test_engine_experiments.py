"""Experiments: who gets which variant, what is counted, and what each state does."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from engine.clock import now_ms
from engine.decisions.exposures import exposures_of
from engine.decisions.replay import replay
from engine.decisions.requests.answers import log_row
from engine.experiments.results import Health, results_of
from engine.model.errors import Conflict, Forbidden, Invalid, ReviewRequired
from engine.model.experiment import Experiment, Guardrail, Variant
from engine.model.placement import FieldDocument, Fixed, Holdback
from engine.model.resource import Resource
from engine.model.timestamps import DAY
from engine.store.experiments import exposures, sums
from engine.store.experiments.exposed_units import ExposedUnits
from engine.store.experiments.sums import SumRow, UnitTotals
from tests import factories
from tests.marks import SQLITE_FIRST
from tests.shop import Shop

PLACEMENT = "payment_methods"

pytestmark = pytest.mark.anyio


def experiment(**changes: object) -> Experiment:
    setup: dict[str, object] = {
        "id": "paypal-first",
        "name": "PayPal first",
        "variants": (
            Variant(id="control", name="As it is"),
            Variant(id="paypal", name="PayPal first", order=("paypal",)),
        ),
        "minimum_days": 0,
    }
    return Experiment(**(setup | changes))  # type: ignore[arg-type]


@pytest.fixture
async def shop(empty_shop: Shop) -> Shop:
    """A merchant with methods in a fixed order."""
    await empty_shop.add_placement(factories.placement(policy=Fixed()))
    return empty_shop


async def start(shop: Shop, document: Experiment | None = None) -> Experiment:
    document = document or experiment()
    await shop.engine.experiments.create(shop.actor(), PLACEMENT, document)
    return (await shop.engine.experiments.start(shop.actor(), PLACEMENT, document.id)).document


async def stored(shop: Shop, id: str = "paypal-first") -> Resource:
    return await shop.engine.experiments.get(shop.id, PLACEMENT, id)


@SQLITE_FIRST
async def test_customers_are_split_and_keep_their_variant(shop: Shop) -> None:
    await start(shop)
    first = {name: (await shop.decide(name)).decision for name in map(str, range(200))}
    counts = Counter(decision.experiments[0]["variant"] for decision in first.values())
    assert 70 < counts["control"] < 130
    for name, decision in list(first.items())[:20]:
        again = (await shop.decide(name)).decision
        assert again.experiments == decision.experiments
        is_variant = again.experiments[0]["variant"] == "paypal"
        assert (again.ranking[0].id == "paypal") == is_variant


async def test_a_request_without_customer_gets_the_control_uncounted(shop: Shop) -> None:
    await start(shop)
    decision = (await shop.decide(None)).decision
    assert decision.experiments == []


async def test_decisions_of_variants_replay(shop: Shop) -> None:
    await start(shop)
    for name in map(str, range(20)):
        answer = await shop.decide(name)
        logged = await shop.engine.logbook.get(shop.id, answer.decision.decision_id)
        assert (await replay(shop.engine.database, logged.row)).same


async def sums_of(shop: Shop, segment: str = "") -> dict[str, UnitTotals]:
    """Return the sums by variant, brought up to date."""
    async with shop.engine.database.write() as connection:
        while await exposures.add_up(connection, limit=1_000):
            pass
        rows = await sums.totals(connection, sums.PhaseKey(shop.id, PLACEMENT, "paypal-first", 1))
    totals: dict[str, UnitTotals] = {}
    for row in (row for row in rows if row.segment == segment):
        totals[row.variant] = totals.get(row.variant, UnitTotals()) + row.totals
    return totals


async def test_units_are_counted_once_with_their_purchases(shop: Shop) -> None:
    await start(shop)
    bought: Counter[str] = Counter()
    for name in map(str, range(30)):
        for _ in range(2):
            answer = await shop.decide(name)
            variant = answer.decision.experiments[0]["variant"]
            if int(name) % 3 == 0:
                await shop.report(answer, "converted", answer.decision.ranking[0].id, amount=1_000)
                bought[variant] += 1
    totals = await sums_of(shop)
    assert sum(each.units for each in totals.values()) == 30
    for variant, each in totals.items():
        assert each.orders == bought[variant]
        assert each.converted == bought[variant] / 2
        assert each.revenue == 1_000 * bought[variant]
        assert each.revenue_squared == 2_000.0**2 * each.converted


async def test_refund_removes_its_purchase(shop: Shop) -> None:
    await start(shop)
    answer = await shop.decide("anna")
    first = answer.decision.ranking[0].id
    await shop.report(answer, "converted", first, amount=1_000)
    await shop.report(answer, "refunded", first, amount=400)
    [total] = (await sums_of(shop)).values()
    assert (total.orders, total.revenue) == (1, 600)
    await shop.report(answer, "refunded", first, amount=600)
    [total] = (await sums_of(shop)).values()
    assert (total.units, total.orders, total.revenue, total.revenue_squared) == (1, 0, 0, 0.0)


async def test_only_exposures_that_could_differ_are_counted(shop: Shop) -> None:
    hidden = Variant(id="b", name="No PayPal", candidates_off=("paypal",))
    pinned = {"id": "only-card", "name": "Only card", "when": {"==": [{"var": "geo.country"}, "DE"]}}
    await shop.create("rule", factories.rule(**pinned, effects=({"require": ["card"]},)))
    await start(shop, experiment(variants=(Variant(id="a", name="As it is"), hidden)))
    german = await shop.decide("anna", geo_country="DE")
    french = await shop.decide("anna", geo_country="FR")
    assert german.decision.experiments[0]["counted"] == "no"
    assert french.decision.experiments[0]["counted"] == "yes"
    assert sum(total.units for total in (await sums_of(shop)).values()) == 1


async def test_the_audience_decides_who_is_enrolled(shop: Shop) -> None:
    await start(shop, experiment(audience={"==": [{"var": "geo.country"}, "NL"]}))
    assert (await shop.decide("anna", geo_country="DE")).decision.experiments == []
    assert (await shop.decide("anna", geo_country="NL")).decision.experiments[0]["id"] == "paypal-first"


@SQLITE_FIRST
async def test_experiments_of_a_layer_never_share_a_customer(shop: Shop) -> None:
    await start(shop, experiment(share=0.5))
    other = experiment(
        id="other",
        share=0.5,
        variants=(Variant(id="a", name="A"), Variant(id="b", name="B", candidates_off=("sepa_debit",))),
    )
    await start(shop, other)
    seen = [[entry["id"] for entry in (await shop.decide(str(n))).decision.experiments] for n in range(100)]
    assert all(len(entries) == 1 for entries in seen)
    with pytest.raises(Conflict, match="use the layer"):
        await start(shop, experiment(id="third", share=0.1))


async def test_paused_experiment_shows_the_control(shop: Shop) -> None:
    await start(shop)
    await shop.engine.experiments.pause(shop.actor(), PLACEMENT, "paypal-first", reason="support calls")
    decisions = [(await shop.decide(str(n))).decision for n in range(20)]
    assert all(decision.experiments == [] and decision.ranking[0].id == "card" for decision in decisions)
    await shop.engine.experiments.resume(shop.actor(), PLACEMENT, "paypal-first")
    assert any([(await shop.decide(str(n))).decision.ranking[0].id == "paypal" for n in range(20)])


async def test_winner_becomes_the_active_plan(shop: Shop) -> None:
    await start(shop)
    await shop.engine.experiments.conclude(shop.actor(), PLACEMENT, "paypal-first", winner="paypal", reason="+4%")
    decision = (await shop.decide("anna")).decision
    assert (decision.ranking[0].id, decision.experiments) == ("paypal", [])


async def test_enrollment_freezes_the_comparison(shop: Shop) -> None:
    document = await start(shop)
    service, actor = shop.engine.experiments, shop.actor()
    with pytest.raises(Conflict, match="layer cannot change"):
        await service.update(actor, PLACEMENT, document.id, experiment(layer="other"), version=None)
    guarded = experiment(guardrails=(Guardrail(metric="revenue"),), notes="watched")
    changed = await service.update(actor, PLACEMENT, document.id, guarded, version=None)
    assert changed.document.status.state == "running"
    with pytest.raises(Conflict, match="archive it instead"):
        await service.delete(actor, PLACEMENT, document.id, version=None)


async def test_a_second_person_approves_the_start(shop: Shop) -> None:
    service = shop.engine.experiments
    await service.create(shop.actor("anna"), PLACEMENT, experiment())
    await shop.engine.accounts.set_review(shop.merchant, on=True, actor_name="anna")
    with pytest.raises(ReviewRequired):
        await service.start(shop.actor("anna"), PLACEMENT, "paypal-first")
    await service.ask(shop.actor("anna"), PLACEMENT, "paypal-first")
    with pytest.raises(Forbidden):
        await service.approve(shop.actor("anna"), PLACEMENT, "paypal-first")
    await service.approve(shop.actor("bob"), PLACEMENT, "paypal-first")
    await service.start(shop.actor("anna"), PLACEMENT, "paypal-first")
    assert (await shop.decide("anna")).decision.experiments


@SQLITE_FIRST
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variants": (Variant(id="a", name="A"), Variant(id="b", name="B"))}, "must change something"),
        ({"variants": (Variant(id="a", name="A"), Variant(id="a", name="B", order=("paypal",)))}, "two variants"),
        ({"variants": (Variant(id="a", name="A"), Variant(id="b", name="B", order=("pay",)))}, "no candidate"),
        ({"variants": (Variant(id="a", name="A"), Variant(id="b", name="B", rules_off=("x",)))}, "no rule"),
        ({"audience": {"==": [{"var": "geo.land"}, "DE"]}}, "not a declared fact"),
        ({"unit": "device"}, "device.id"),
        ({"minimum_days": 40}, "minimum_days"),
    ],
)
async def test_nonsense_is_refused_by_field(shop: Shop, changes: dict[str, object], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        await shop.engine.experiments.create(shop.actor(), PLACEMENT, experiment(**changes))


async def test_a_holdback_gets_the_merchants_order(empty_shop: Shop) -> None:
    shop = empty_shop
    await shop.add_placement(factories.placement(holdback=Holdback(share=0.5)))
    decisions = [(await shop.decide(str(n))).decision for n in range(60)]
    held = [d for d in decisions if d.experiments[0]["variant"] == "not_personalized"]
    assert 15 < len(held) < 45
    assert {tuple(ranked.id for ranked in decision.ranking) for decision in held} == {
        tuple(r.id for r in held[0].ranking)
    }
    assert held[0].ranking[0].chance == 1.0


@SQLITE_FIRST
async def test_a_broken_guardrail_stops_the_experiment(shop: Shop) -> None:
    await start(shop, experiment(guardrails=(Guardrail(metric="conversion", tolerated_percent=5),)))
    for name in map(str, range(800)):
        answer = await shop.decide(name)
        if not answer.decision.experiments:
            break
        share = 8 if answer.decision.experiments[0]["variant"] == "control" else 2
        if int(name) % 10 < share:
            await shop.report(answer, "converted", answer.decision.ranking[0].id, amount=1_000)
    await shop.engine.supervisor.run()
    stopped = (await shop.engine.experiments.get(shop.id, PLACEMENT, "paypal-first")).document.status
    assert stopped.state == "stopped"
    assert stopped.reason == "guardrail: PayPal first loses more than 5% of conversion"
    entries = await shop.engine.catalogue.audit(shop.id)
    assert any(entry.reason == stopped.reason for entry in entries)
    assert (await shop.decide("anna")).decision.experiments == []


async def test_experiment_without_its_document_goes_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions before 30 November 2026 deleted what a running variant names."""
    monkeypatch.setattr("engine.configuration.validation._in_variants", lambda *_: ())
    await start(shop, experiment(guardrails=(Guardrail(metric="conversion", tolerated_percent=5),)))
    await shop.engine.catalogue.delete(shop.actor(), "candidate", PLACEMENT, "paypal", version=None)
    monkeypatch.undo()
    service, document = shop.engine.experiments, (await stored(shop)).document
    longer = msgspec.structs.replace(document, maximum_days=60)
    assert (await service.update(shop.actor(), PLACEMENT, document.id, longer, version=None)).document == longer
    await service.pause(shop.actor(), PLACEMENT, document.id, reason="calls")
    await service.resume(shop.actor(), PLACEMENT, document.id)
    await service.stop(shop.actor(), PLACEMENT, document.id, reason="calls")
    assert (await stored(shop)).document.status.state == "stopped"


async def test_failing_experiment_does_not_affect_others(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("broken", "long"):
        await start(shop, experiment(id=name, layer=name, maximum_days=1))
    health = shop.engine.experiment_results.health

    async def failing(merchant_id: int, resource: Resource) -> Health:
        if resource.id == "broken":
            raise OverflowError
        return await health(merchant_id, resource)

    monkeypatch.setattr(shop.engine.experiment_results, "health", failing)
    monkeypatch.setattr("engine.experiments.supervisor.now_ms", lambda: now_ms() + 2 * DAY)
    await shop.engine.supervisor.run()
    states = [(await stored(shop, name)).document.status.state for name in ("broken", "long")]
    assert states == ["running", "stopped"]


@pytest.mark.parametrize(("unit", "units", "bought"), [("customer", 2, 1), ("device", 3, 1), ("decision", 4, 1)])
async def test_the_size_counts_the_units_of_the_experiment(shop: Shop, unit: str, units: int, bought: int) -> None:
    await shop.create("field", FieldDocument(name="device.id", type="string"))
    answers = [await shop.decide("anna", device_id=device) for device in ("phone", "phone", "desk")]
    await shop.decide("bert", device_id="tablet")
    await shop.report(answers[0], "converted", answers[0].decision.ranking[0].id, amount=1_000)
    size = await shop.engine.experiment_sizes.size(shop.id, PLACEMENT, experiment(unit=unit), now=now_ms())
    assert (size.units_a_day, size.conversion) == (units, bought / units)


@SQLITE_FIRST
async def test_look_distinguishes_matured_units(shop: Shop) -> None:
    await start(shop)
    for name in map(str, range(40)):
        answer = await shop.decide(name)
        if int(name) % 2:
            await shop.report(answer, "converted", answer.decision.ranking[0].id, amount=2_500)
    await shop.engine.supervisor.run()
    resource = await shop.engine.experiments.get(shop.id, PLACEMENT, "paypal-first")
    now = now_ms()
    early = await shop.engine.experiment_results.look(shop.id, resource, now=now)
    # Segments are kept by day, and today may have begun less than a window ago.
    late = await shop.engine.experiment_results.look(shop.id, resource, now=now + 2 * DAY)
    assert (early.matured_share, late.matured_share) == (0.0, 1.0)
    assert early.verdict.kind == late.verdict.kind == "too_few"
    assert sum(variant.converted for variant in late.variants) == 20
    assert {segment.segment for segment in late.segments} == {"customer=new"}


async def test_a_clear_winner_is_named_with_its_interval(shop: Shop) -> None:
    await start(shop)
    rows = [
        SumRow("", 0, "control", UnitTotals(units=5_000, converted=500, orders=500, orders_squared=500)),
        SumRow("", 0, "paypal", UnitTotals(units=5_000, converted=700, orders=700, orders_squared=700)),
    ]
    document = (await shop.engine.experiments.get(shop.id, PLACEMENT, "paypal-first")).document
    results = results_of(document, PLACEMENT, rows, window_minutes=60, now=now_ms())
    assert (results.verdict.kind, results.verdict.variant) == ("better", "paypal")
    assert results.verdict.lift == pytest.approx(0.4)
    assert results.verdict.low < 0.4 < results.verdict.high


@SQLITE_FIRST
@pytest.mark.parametrize(
    "rows",
    [
        [],
        [SumRow("", 0, "control", UnitTotals(units=900))],
        [SumRow("", 0, name, UnitTotals(units=500)) for name in ("control", "paypal")],
        [SumRow("", 0, name, UnitTotals.of(1, 100, 0)) for name in ("control", "paypal")],
    ],
)
async def test_little_or_flat_data_gives_a_verdict(shop: Shop, rows: list[SumRow]) -> None:
    document = await start(shop)
    results = results_of(document, PLACEMENT, rows, window_minutes=60, now=now_ms())
    assert results.verdict.kind == "too_few"
    assert all(each.low is None for each in results.comparisons)


async def test_stopped_experiment_frees_its_customers(shop: Shop) -> None:
    await start(shop)
    await shop.engine.experiments.stop(shop.actor(), PLACEMENT, "paypal-first", reason="support calls")
    variants = (Variant(id="a", name="A"), Variant(id="b", name="B", candidates_off=("sepa_debit",)))
    await start(shop, experiment(id="next", variants=variants))
    seen = [(await shop.decide(str(n))).decision.experiments for n in range(20)]
    assert all([entry["id"] for entry in entries] == ["next"] for entries in seen)


async def test_a_known_exposure_is_not_added_up_again(shop: Shop) -> None:
    await start(shop)
    await shop.decide("anna")
    await shop.engine.supervisor.add_up()
    await shop.decide("anna")
    async with shop.engine.database.write() as connection:
        assert await exposures.add_up(connection, limit=10) == 0


async def test_returning_customer_writes_no_exposure(shop: Shop) -> None:
    await start(shop)
    answer = await shop.decide("anna")
    row = log_row(answer, shop.id, "", now_ms(), closes=True)
    assert len(exposures_of(answer.assignments, answer.facts, row, ExposedUnits())) == 1
    assert exposures_of(answer.assignments, answer.facts, row, shop.engine.recorder.exposed) == []


async def test_health_reads_the_same_as_a_look(shop: Shop) -> None:
    document = await start(shop, experiment(guardrails=(Guardrail(metric="revenue"),)))
    for name in map(str, range(40)):
        answer = await shop.decide(name)
        await shop.report(answer, "converted", answer.decision.ranking[0].id, amount=1_000 + int(name))
    await shop.engine.supervisor.add_up()
    resource = await shop.engine.experiments.get(shop.id, PLACEMENT, document.id)
    health = await shop.engine.experiment_results.health(shop.id, resource)
    look = await shop.engine.experiment_results.look(shop.id, resource, now=now_ms(), has_details=False)
    assert (look.guardrails, look.mismatch_p_value) == (health.guardrails, health.mismatch_p_value)
    assert (look.history, look.segments) == ([], [])
