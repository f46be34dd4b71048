"""What an alarm of a metric says, on the overview and in mails."""

from __future__ import annotations

from typing import NamedTuple

from engine.model.events.event import MetricAlert
from engine.model.timestamps import HOUR
from engine.statistics.alarms import Alarm
from web.format import Show


class AlarmWords(NamedTuple):
    """The word of an alarm's badge, the badge's kind, and the sentence."""

    mark: str
    kind: str
    text: str


def alarm_words(show: Show, alarm: Alarm | MetricAlert) -> AlarmWords:
    """Return what an alarm says to a reader."""
    since = show.clock(alarm.since_hour * HOUR)
    if alarm.kind == "latency":
        value, usual = (f"{show.number(each)} ms" for each in (alarm.value, alarm.usual))
        than_usual = f"; usual are {usual}" if alarm.usual else ""
        return AlarmWords(
            "Slow answers", "bad", f"One answer in 20 since {since} took longer than {value}{than_usual}."
        )
    value, usual = show.percent(alarm.value), show.percent(alarm.usual)
    match alarm.kind:
        case "fallbacks":
            text = f"{value} of the answers since {since} are fallbacks; usual are {usual}."
            return AlarmWords("Fallbacks", "bad", text)
        case "outcomes_stopped":
            text = f"No purchase was reported since {since}; usually {usual} of checkouts end in one."
            return AlarmWords("Outcomes stopped", "bad", text)
        case "conversion":
            is_less = alarm.value < alarm.usual
            text = f"{value} of yesterday’s checkouts ended in a purchase; usual are {usual}."
            return AlarmWords(*(("Fewer purchases", "warn") if is_less else ("More purchases", "info")), text)
