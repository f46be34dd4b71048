"""A placement that learns from facts: its form, and what its page says that it learned."""

from __future__ import annotations

import itertools

import pytest

from bandits.evaluation.held_out import Fidelity
from bandits.evidence.calibration import calibrations
from bandits.evidence.residuals import CELLS_A_DAY, ExpectedSuccesses, Residuals
from engine.model.offers.refit import Refit, RefitResult
from engine.model.scope import Scope
from engine.model.timestamps import DAY
from engine.service import Engine
from engine.store.offers import refits
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.people import Person, add_person

FORM = {
    "key": "banner",
    "name": "Banner",
    "shape": "one",
    "policy": "contextual",
    "features": "device.type, cart.total geo.country",
    "values:geo.country": "Germany, nl",
    "affinity": "on",
    "floor": "50",
    "drawn": "1",
    "reward": "converted",
    "credit": "first",
    "window_minutes": "60",
}


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def test_typed_settings_are_stored_and_shown_again(side: Side, person: Person) -> None:
    assert person.send("/admin/placements/-/new", **FORM).status_code == 303
    stored = side.client.get("/v1/placements/banner").json()
    assert stored["policy"] == {
        "type": "contextual",
        "features": ["device.type", "cart.total", "geo.country"],
        "values": {"geo.country": ["DE", "NL"]},
        "affinity": True,
        "floor": 0.5,
        "drawn": 1,
    }
    page = person.get("/admin/placements/banner/settings")
    assert all(f'name="features" value="{name}" checked' in page for name in stored["policy"]["features"])
    assert 'value="Germany, Netherlands"' in page


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"features": "customer.segment"}, "field-values:customer.segment", "Name the values to distinguish"),
        ({"features": "cart.colour"}, "", "here is no field “cart.colour”"),
        (
            {"features": "geo.country", "values:geo.country": "Germny"},
            "field-values:geo.country",
            "There is no country",
        ),
        ({"credit": "position"}, "field-credit", "This cannot be used when learning from facts"),
        ({"floor": "60"}, "field-floor", "Must lie between 0 and 50."),
        ({"drawn": "11"}, "field-drawn", "Must lie between 1 and 10."),
    ],
)
def test_unusable_feature_has_a_message_beside_its_field(
    person: Person, changes: dict[str, str], field: str, message: str
) -> None:
    answer = person.send("/admin/placements/-/new", **FORM | changes)
    assert answer.status_code == 422
    beside = answer.text.partition(f'id="{field}-error"' if field else "Facts to learn from")[2]
    assert message in beside[: beside.index("</div>")] if field else message in beside


def test_buckets_are_removed_when_a_placement_learns_from_facts(side: Side, person: Person) -> None:
    assert person.send("/admin/placements/-/new", **FORM | {"buckets": "device.type"}).status_code == 303
    assert side.client.get("/v1/placements/banner").json()["buckets"] == []


@pytest.mark.usefixtures("reproducible_draws")
def test_page_explains_in_words_what_was_learned(side: Side, person: Person) -> None:
    person.send("/admin/placements/-/new", **FORM)
    side.client.post(
        "/v1/placements/banner/candidates", json=[{"id": "a", "label": "Apples"}, {"id": "b", "label": "Bread"}]
    )
    assert "Nothing certain yet" in person.get("/admin/placements/banner")
    numbers = itertools.count()
    for device, expected in [("mobile", "a"), ("desktop", "b")] * 150:
        request = {"placement": "banner", "context": {"device": {"type": device}}}
        answer = side.client.post("/v1/personalize/decisions", json=request).json()
        first = answer["ranking"][0]["id"]
        outcome = {
            "event_id": f"banner-{next(numbers)}",
            "decision_id": answer["decision_id"],
            "type": "converted" if first == expected else "abandoned",
        }
        side.client.post(
            "/v1/personalize/feedback", json=outcome | ({"candidate_id": first} if first == expected else {})
        )
    side.server.run(side.server.engine.live.refresh(at_once=True))
    page = person.get("/admin/placements/banner")
    assert "Where Device is mobile, Apples is chosen" in page
    assert "Times as often" in page
    assert "Where a new candidate starts" not in page, "nothing tells what a new one would be like"
    for id in ("a", "b"):
        path = f"/v1/placements/banner/candidates/{id}"
        stored = side.client.get(path).json()
        changed = {"id": id, "label": stored["label"], "attributes": {"family": "fruit" if id == "a" else "bakery"}}
        side.client.put(path, json=changed, headers={"If-Match": "*"}).raise_for_status()
    more = [{"id": "c", "label": "Cherries", "attributes": {"family": "fruit"}}]
    side.client.post("/v1/placements/banner/candidates", json=more).raise_for_status()
    page = person.get("/admin/placements/banner")
    assert "One whose family is fruit starts at about" in page
    assert "estimated from Apples, Cherries." in page
    assert "Any other new candidate starts at about" in page


def test_the_learning_page_compares_predictions_with_results(
    side: Side, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert person.send("/admin/placements/-/new", **FORM).status_code == 303
    side.client.post("/v1/placements/banner/candidates", json={"id": "one", "label": "Spring"})
    answer = side.client.post("/v1/personalize/decisions", json={"placement": "banner"}).json()
    outcome = {"event_id": "e", "decision_id": answer["decision_id"], "type": "converted", "candidate_id": "one"}
    side.client.post("/v1/personalize/feedback", json=outcome)
    page = "/admin/placements/banner/learning"
    assert "Whether predictions come true" not in person.get(page)
    cells = range(90 * CELLS_A_DAY, 97 * CELLS_A_DAY)
    sums = {cell: ExpectedSuccesses(50, 20.0, 10.0, 8.0, 0.25) for cell in cells}
    weeks = calibrations(Residuals({"one": sums}, judged=cells.stop))
    monkeypatch.setattr("engine.insights.learning_history._calibration", lambda active: weeks)
    text = person.get(page)
    assert "2 of 2 predictions differ from results by more than noise." in text
    assert text.count("Predicted too low") == 2
    assert "140 (20.0%)" in text
    assert "280 (40.0%)" in text
    assert person.get(f"{page}/calibration.csv").splitlines()[1].startswith("90,")


def test_placement_without_features_does_not_mention_them(person: Person) -> None:
    assert "What it has learned" not in person.get("/admin/placements/payment_methods")


def refit_of(state: str) -> Refit:
    """A refit whose held-out days are the week from 2 January 1970 on."""
    before = Fidelity(1_000.0, 0.3011, 104.0, 100.0, 80.0)
    result = RefitResult(first_day=1, last_day=7, trained=4_321, before=before, after=before._replace(log_loss=0.2944))
    versions = {"accepted": (4, 5, 0), "left_out": (4, 0, 0), "undone": (4, 5, 9)}
    return Refit(9 * DAY, result, *versions[state])


@pytest.mark.parametrize(
    ("state", "sentence", "badge"),
    [
        ("accepted", "no worse, so it is in force", "Accepted"),
        ("left_out", "worse, so the model in force stayed", "Left out"),
        ("undone", "It was taken back", "Taken back"),
    ],
)
def test_the_learning_page_compares_the_last_refit_with_the_model(
    side: Side, person: Person, monkeypatch: pytest.MonkeyPatch, state: str, sentence: str, badge: str
) -> None:
    learned_banner(side, person)
    scope = Scope(side.merchant.id, "banner", "converted")
    side.server.run(store_refit(side.server.engine, scope, refit_of(state)))
    page = person.get("/admin/placements/banner/learning")
    assert "learned again from 4,321 tries of the log" in page
    assert sentence in page
    assert badge in page
    assert "0.3011" in page
    assert "0.2944" in page
    assert ("Go back to the model before" in page) == (state == "accepted")
    [item] = side.client.get("/v1/placements/banner/refits").json()["items"]
    assert (item["state"], item["held_out_from"], item["refit"]["log_loss"]) == (state, "1970-01-02", 0.2944)
    # The model before is not kept: nothing can be taken back.
    assert side.client.post("/v1/placements/banner/refits/undo", json={}).status_code == 409
    answer = person.send("/admin/placements/banner/learning/undo-refit")
    assert answer.status_code in (200, 303)


def learned_banner(side: Side, person: Person) -> None:
    """A placement in which phones buy apples and desktops buy bread."""
    assert person.send("/admin/placements/-/new", **FORM).status_code == 303
    candidates = [{"id": "a", "label": "Apples"}, {"id": "b", "label": "Bread"}]
    side.client.post("/v1/placements/banner/candidates", json=candidates).raise_for_status()
    for number, device in enumerate(["mobile", "desktop"] * 20):
        request = {"placement": "banner", "context": {"device": {"type": device}}}
        answer = side.client.post("/v1/personalize/decisions", json=request).json()
        outcome = {"event_id": f"learned-{number}", "decision_id": answer["decision_id"], "type": "abandoned"}
        if device == "mobile":
            outcome |= {"type": "converted", "candidate_id": answer["ranking"][0]["id"]}
        side.client.post("/v1/personalize/feedback", json=outcome)
    side.server.run(side.server.engine.live.refresh(at_once=True))


async def store_refit(engine: Engine, scope: Scope, refit: Refit) -> None:
    async with engine.database.write() as connection:
        await refits.add(connection, scope, refit)
        if refit.returned:
            assert await refits.set_returned(connection, scope, refit, refit.returned)


def test_learning_page_shows_the_weight_of_each_fact(side: Side, person: Person) -> None:
    learned_banner(side, person)
    page = person.get("/admin/placements/banner/learning")
    assert "What each fact weighs" in page
    assert "Changes appear here once the model is a week old." in page
    assert "The first refit comes after a week with at least 20 successes." in page
    weights = {row["where"]: row["odds"] for row in side.client.get("/v1/placements/banner/refits").json()["weights"]}
    assert weights["Where Device is mobile"][0] > 1 > weights["Where Device is desktop"][0]
    assert "Where Country is NL" not in weights, "no customer from there was seen"
    assert person.get("/admin/placements/banner/learning/weights.csv").startswith("fact,")
    assert "What each fact weighs" not in person.get("/admin/placements/payment_methods/learning")
    assert side.client.get("/v1/placements/elsewhere/refits").status_code == 404
