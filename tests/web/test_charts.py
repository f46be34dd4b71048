import json
from itertools import pairwise

from engine.statistics.share import Share
from web.admin.placements.performance import first_places
from web.charts.candidate_charts import ArmEstimate, ArmShare, colour_of, estimates, shares, spread
from web.format import Show, viewer_locale

SHOW = Show(locale=viewer_locale("de"), timezone="Europe/Berlin", now=1_795_262_400_000)


def test_candidate_has_the_same_colour_in_every_chart() -> None:
    card = ArmEstimate(label="Card", colour=2, mean=0.3, low=0.2, high=0.4)
    other = ArmEstimate(label="PayPal", colour=0, mean=0.3, low=0.2, high=0.4)
    alone, together = (estimates(arms, show=SHOW, measure="Rate") for arms in ([card], [other, card]))
    assert alone["data"]["values"][-1]["colour"] == together["data"]["values"][-1]["colour"] == "3"
    assert colour_of(10) == colour_of(2)


def test_tooltips_carry_figures_in_the_viewers_locale() -> None:
    card = ArmEstimate(label="Card", colour=0, mean=0.3123, low=0.2, high=0.4)
    row = estimates([card], show=SHOW, measure="Rate")["data"]["values"][0]
    assert (row["mean_text"], row["range_text"]) == ("31,2\xa0%", "20,0\xa0% to 40,0\xa0%")


def test_every_line_of_shares_has_a_label_at_its_end_and_none_overlap() -> None:
    arms = [ArmShare(label=str(n), colour=n, points=[(0, 0.1), (60_000, 0.125)]) for n in range(8)]
    labels = shares(arms, show=SHOW)["layer"][-1]["data"]["values"]
    heights = sorted(label["label_at"] for label in labels)
    assert len(labels) == 8
    assert all(above - below >= 0.0129 for below, above in pairwise(heights)), "they overlap"


def test_spreading_keeps_the_order_and_stays_inside_the_chart() -> None:
    assert spread([0.99, 0.98, 0.2], gap=0.05) == [1.0, 0.95, 0.2]
    assert spread([0.0, 0.01, 0.02], gap=0.5, top=1.0, bottom=0.0) == [0.0, 0.5, 1.0]
    assert min(spread([0.0, 0.01, 0.02], gap=0.6, top=1.0, bottom=0.0)) < 0, "there is no room for all"


def test_label_of_a_short_line_is_at_the_end_of_the_axis() -> None:
    short = ArmShare(label="Short", colour=0, points=[(0, 0.5)])
    long = ArmShare(label="Long", colour=1, points=[(0, 0.5), (60_000, 0.5)])
    labels = shares([short, long], show=SHOW)["layer"][-1]["data"]["values"]
    assert len({label["at"] for label in labels}) == 1
    assert spread([], gap=0.05) == []


def test_the_time_axis_labels_whole_minutes_and_none_twice() -> None:
    def labels(minutes: int) -> list[int]:
        points = [(minute * 60_000, 0.5) for minute in range(minutes + 1)]
        spec = shares([ArmShare(label="Card", colour=0, points=points)], show=SHOW)
        values = json.loads(spec["layer"][0]["encoding"]["x"]["axis"]["values"]["expr"])
        result = [moment // 60_000 for moment in values]
        return [minute - SHOW.wall_clock(0) // 60_000 for minute in result]

    assert labels(0) == [0]
    assert labels(1) == [0, 1]
    assert labels(12) == [0, 2, 4, 6, 8, 10, 12]
    assert labels(59) == [0, 10, 20, 30, 40, 50]


def test_only_the_first_of_many_candidates_have_labels() -> None:
    arms = [ArmShare(label=str(n), colour=n, points=[(0, n / 1000)]) for n in range(40)]
    spec = shares(arms, show=SHOW)
    labels = spec["layer"][-1]["data"]["values"]
    assert len(spec["data"]["values"]) == 40
    assert {label["candidate"] for label in labels} == {str(n) for n in range(26, 40)}
    assert all(0 <= label["label_at"] <= 0.1 for label in labels)


def test_few_decisions_share_a_point_of_the_line() -> None:
    quiet = [Share(minute, "card", 1) for minute in range(60)]
    assert [count.total() for _, count in first_places.bins_of(quiet)] == [30, 30]
    burst = [*quiet, Share(60, "paypal", 500), Share(61, "card", 500)]
    assert [count.total() for _, count in first_places.bins_of(burst)] == [30, 30, 1000]
    assert first_places.bins_of([]) == []
