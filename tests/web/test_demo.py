"""The demo: a plausible world, a catalogue that fits it, and shoppers who behave like a checkout."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
from numpy.random import default_rng

from engine.model.actor import Actor
from engine.service import Engine, open_engine
from engine.settings import Settings
from simulation.worlds.offer_reactions import TASTES, react_to_offer
from simulation.worlds.shoppers import COUNTRIES, CYCLE_SECONDS, ShopperWorld, preferences
from web.app import create_app
from web.demo import background, catalogue, offer_catalogue, shoppers
from web.demo.background import KEY_FILE, key_of_last_run
from web.demo.seed import seed, shoppers_key
from web.demo.shoppers import PLACEMENT, RequestsRefused, Shoppers, Tally

METHODS = [method.id for method in catalogue.METHODS]
SECOND_HALF = 0.75 * CYCLE_SECONDS


def converted_share(ranking: Callable[[str], list[str]], visits: int = 4000) -> float:
    world = ShopperWorld(default_rng(5))
    sold = 0
    for _ in range(visits):
        visit = world.visit(0.0)
        sold += world.reaction(visit, ranking(visit.shopper.country))[-1].type == "converted"
    return sold / visits


def test_the_same_seed_makes_the_same_shoppers():
    item, other = ShopperWorld(default_rng(3)), ShopperWorld(default_rng(3))
    assert [item.visit(9.0) for _ in range(50)] == [other.visit(9.0) for _ in range(50)]


def test_countries_come_in_their_stated_shares():
    world = ShopperWorld(default_rng(1))
    seen = Counter(world.visit(0.0).shopper.country for _ in range(8000))
    for name, country in COUNTRIES.items():
        assert seen[name] / 8000 == pytest.approx(country.share, abs=0.03)


def test_a_returning_customer_always_likes_the_same_method():
    world, liked = ShopperWorld(default_rng(1)), {}
    for _ in range(5000):
        visit = world.visit(0.0)
        if visit.shopper.customer_id:
            best = max(visit.acceptance, key=lambda method: visit.acceptance[method])
            assert liked.setdefault(visit.shopper.customer_id, best) == best
    assert len(set(liked.values())) > 5


def test_shoppers_never_prefer_an_unavailable_wallet():
    for country in COUNTRIES:
        assert "apple_pay" not in preferences(country, "android", drift=False)
        assert "google_pay" not in preferences(country, "ios", drift=False)


def test_preferred_methods_are_offered_in_the_shoppers_country():
    offered = {method.id: method for method in catalogue.METHODS}
    for name, country in COUNTRIES.items():
        for method in country.methods:
            assert not offered[method].countries or name in offered[method].countries, (name, method)
            assert country.currency in offered[method].currencies, (name, method)


def test_the_favourites_of_a_country_first_sell_more_than_last():
    def best(country: str) -> list[str]:
        return sorted(METHODS, key=lambda method: -COUNTRIES[country].methods.get(method, 0))

    assert converted_share(best) > converted_share(lambda country: best(country)[::-1]) + 0.1


def test_wallet_overtakes_the_card_half_way_in_one_country():
    for name in COUNTRIES:
        before, after = (preferences(name, "windows", drift=drift) for drift in (False, True))
        if name == "FR":
            assert before["card"] > before["paypal"]
            assert after["paypal"] > after["card"]
        else:
            assert before == after


def test_drift_applies_in_the_second_half_of_a_cycle():
    def french(elapsed: float) -> float:
        world = ShopperWorld(default_rng(2))
        visits = [world.visit(elapsed) for _ in range(6000)]
        tastes = [v.acceptance for v in visits if v.shopper.country == "FR"]
        return sum(max(taste, key=lambda method: taste[method]) == "paypal" for taste in tastes) / len(tastes)

    assert french(SECOND_HALF) > french(0.0) + 0.2
    assert french(CYCLE_SECONDS) == french(0.0)


def test_every_visit_starts_with_shown_and_ends_once():
    world = ShopperWorld(default_rng(4))
    kinds = Counter()
    for _ in range(3000):
        steps = world.reaction(world.visit(0.0), METHODS)
        types = [step.type for step in steps]
        kinds.update(types)
        assert types[0] == "shown"
        assert types[-1] in ("converted", "abandoned")
        assert types.count("converted") + types.count("abandoned") == 1
        assert types.count("selected") == types.count("declined") + types.count("converted")
    assert min(kinds[kind] for kind in ("converted", "abandoned", "declined")) > 30


@asynccontextmanager
async def demo_server(folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Engine]]:
    app = create_app(Settings(data=str(folder), refresh_seconds=0.1))
    async with app.lifespan():
        engine: Engine = app.state.engine
        await seed(engine)
        headers = {"authorization": f"Bearer {await shoppers_key(engine)}"}
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://demo", headers=headers) as http:
            yield http, engine


def test_the_demo_is_made_once_with_its_login(tmp_path: Path):
    async def twice() -> None:
        async with demo_server(tmp_path) as (_, engine):
            assert (await seed(engine)).password is None
            assert [merchant.mode for merchant in await engine.accounts.merchants("demo")] == ["live", "test"]

    asyncio.run(twice())


def test_the_printed_password_logs_in(tmp_path: Path):
    async def log_in() -> None:
        engine = await open_engine(Settings(data=str(tmp_path)))
        welcome = await seed(engine)
        assert welcome.password
        assert await engine.sessions.log_in(welcome.email, welcome.password)
        await engine.stop()

    asyncio.run(log_in())


def test_interrupted_setup_is_completed(tmp_path: Path):
    async def seed_again() -> None:
        engine = await open_engine(Settings(data=str(tmp_path)))
        _, side = await engine.accounts.add_merchant(catalogue.SLUG, catalogue.NAME)
        await engine.catalogue.create(Actor(side.id, "demo"), "placement", "", [catalogue.PLACEMENT])
        assert (await seed(engine)).password
        for merchant in await engine.accounts.merchants(catalogue.SLUG):
            configuration = await engine.catalogue.configuration(merchant.id)
            assert len(configuration.documents("candidate", PLACEMENT)) == len(METHODS)
            assert len(configuration.documents("rule", PLACEMENT)) == len(catalogue.RULES)
        await engine.stop()

    asyncio.run(seed_again())


def test_deleted_resources_are_not_created_again(tmp_path: Path):
    async def start_again() -> None:
        async with demo_server(tmp_path) as (_, engine):
            merchant, rule = await engine.accounts.merchant("demo"), catalogue.RULES[0].id
            await engine.catalogue.delete(Actor(merchant.id, "someone"), "rule", PLACEMENT, rule, version=None)
            await seed(engine)
            assert (await engine.catalogue.configuration(merchant.id)).find("rule", PLACEMENT, rule) is None

    asyncio.run(start_again())


def test_a_new_run_ends_the_key_of_the_last_one(tmp_path: Path):
    async def renew() -> None:
        async with demo_server(tmp_path) as (http, engine):
            body = {"placement": PLACEMENT}
            assert (await http.post("/v1/personalize/decisions", json=body)).status_code == 200
            await shoppers_key(engine)
            assert (await http.post("/v1/personalize/decisions", json=body)).status_code == 401

    asyncio.run(renew())


def test_restart_reuses_the_shoppers_key_unless_revoked(tmp_path: Path):
    async def start_again() -> None:
        async with demo_server(tmp_path) as (_, engine):
            first = await key_of_last_run(engine)
            assert await key_of_last_run(engine) == first
            assert oct((tmp_path / KEY_FILE).stat().st_mode)[-3:] == "600"
            merchant = await engine.accounts.merchant("demo")
            await shoppers_key(engine)
            second = await key_of_last_run(engine)
            assert second != first
            assert engine.accounts.access(second).merchant == merchant

    asyncio.run(start_again())


def test_every_rule_fires_for_some_but_not_all_shoppers(tmp_path: Path):
    async def decide() -> None:
        async with demo_server(tmp_path) as (_, engine):
            merchant, world, fired = await engine.accounts.merchant("demo"), ShopperWorld(default_rng(7)), Counter()
            for _ in range(800):
                (answer,) = await engine.decider.decide(merchant.id, [PLACEMENT], None, world.visit(0.0).context)
                assert not answer.decision.skipped, "the shoppers send every fact that the rules read"
                assert answer.decision.ranking
                fired.update(answer.decision.rules)
            assert set(fired) == {rule.id for rule in catalogue.RULES}
            assert max(fired.values()) < 800

    asyncio.run(decide())


async def shopped(http: httpx.AsyncClient, enough: Callable[[Tally], bool]) -> Tally:
    """Let shoppers come until there are enough of them; a busy machine takes longer. Return their sums."""
    world, total = ShopperWorld(default_rng(8)), Tally()
    async with asyncio.timeout(120):
        while not enough(total):
            tally = await Shoppers(http, world, rate=120).run(seconds=0.5)
            total = Tally(*(getattr(total, name) + getattr(tally, name) for name in Tally.__slots__))
    return total


def test_shoppers_move_the_arms(tmp_path: Path):
    async def shop() -> None:
        async with demo_server(tmp_path) as (http, engine):
            merchant = await engine.accounts.merchant("demo")
            tally = await shopped(http, lambda tally: tally.checkouts > 150)
            assert tally.failures == 0
            assert 0.3 < tally.converted / tally.checkouts < 1
            await engine.live.refresh(at_once=True)
            page = await engine.monitor.arms(merchant.id, PLACEMENT, bucket="DE")
            trials = {arm.id: arm.trials for arm in page.arms}
            assert sum(trials.values()) > 30

    asyncio.run(shop())


def test_shoppers_redeem_shown_offers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shoppers, "OFFER_SECONDS", 0.0)

    async def shop() -> None:
        async with demo_server(tmp_path) as (http, engine):
            merchant = await engine.accounts.merchant("demo")
            tally = await shopped(http, lambda tally: tally.redeemed > 3)
            assert tally.failures == 0
            entries = await engine.budgets.ledger(merchant.id, limit=500)
            redeemed = {entry.entry.hold_id for entry in entries if entry.entry.kind == "commit"}
            assert len(redeemed) == tally.redeemed

    asyncio.run(shop())


def test_offers_bring_back_customers_who_would_leave():
    def bought(offer: str | None) -> float:
        world, sold, visits = ShopperWorld(default_rng(5)), 0, 4_000
        for _ in range(visits):
            react = partial(world.reaction, world.visit(0.0), METHODS)
            sold += react_to_offer(offer, react.args[0], react, world.random).actions[-1].type == "converted"
        return sold / visits

    assert bought("ten-percent") > bought(None) + 0.05
    assert bought("five-off") == pytest.approx(bought(None), abs=0.03), "it only pays those who buy anyway"


def test_every_offer_of_the_demo_moves_shoppers():
    assert {offer.id for offer in offer_catalogue.OFFERS} == TASTES.keys()


class Flaky(httpx.AsyncBaseTransport):
    """Answers with the given statuses for feedback, and always decides."""

    def __init__(self, *, decide: int, feedback: list[int]) -> None:
        self.decide, self.feedback = decide, feedback
        self.decisions = 0
        self.events: list[list[str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/feedback"):
            self.events.append([item["event_id"] for item in _json(request)])
            return httpx.Response(self.feedback.pop(0) if self.feedback else 202, json={"results": []})
        if request.url.path.endswith("/offers"):
            return httpx.Response(404, json={"detail": "there is no such placement"})
        self.decisions += 1
        answer = {"decision_id": f"dec_{self.decisions}", "ranking": [{"id": method} for method in METHODS]}
        return httpx.Response(self.decide, json=answer if self.decide == 200 else {"detail": "no such key"})


def _json(request: httpx.Request) -> list[dict[str, str]]:
    return httpx.Response(200, content=request.content).json()


def shop_at(transport: Flaky, *, rate: float, seconds: float) -> Shoppers:
    async def shop() -> Shoppers:
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
            shoppers = Shoppers(http, ShopperWorld(default_rng(1)), rate=rate)
            await shoppers.run(seconds=seconds)
            return shoppers

    return asyncio.run(shop())


def test_shoppers_reduce_load_on_a_failing_server():
    transport = Flaky(decide=503, feedback=[])
    tally = shop_at(transport, rate=500, seconds=1.2).tally
    assert tally.checkouts == 0
    assert transport.decisions < 80, "at this rate a stubborn client would have asked 600 times"


def test_failed_outcomes_are_retried_with_the_same_ids():
    transport = Flaky(decide=200, feedback=[503])
    shop_at(transport, rate=60, seconds=1.2)
    refused, again = transport.events[:2]
    assert again[: len(refused)] == refused


def test_refused_outcomes_do_not_block_others():
    transport = Flaky(decide=200, feedback=[400])
    shop_at(transport, rate=60, seconds=1.2)
    refused, *others = transport.events
    assert others
    assert not {event for batch in others for event in batch} & set(refused)


def test_invalid_key_ends_the_shopping_with_a_reason():
    with pytest.raises(RequestsRefused, match="401 no such key"):
        shop_at(Flaky(decide=401, feedback=[]), rate=50, seconds=5)


def test_only_one_of_several_workers_runs_shoppers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    started = Counter()

    async def shop(*_arguments: object, **_options: object) -> None:
        started["shoppers"] += 1
        await asyncio.Event().wait()

    monkeypatch.setattr(background, "run_shoppers", shop)

    async def work() -> None:
        engine = await open_engine(Settings(data=str(tmp_path)))
        async with background.demo(engine):
            async with background.demo(engine):
                await asyncio.sleep(0)
            assert started["shoppers"] == 1
        async with background.demo(engine):
            await asyncio.sleep(0)
        assert started["shoppers"] == 2, "the next worker takes over when the first has ended"
        await engine.stop()

    asyncio.run(work())
