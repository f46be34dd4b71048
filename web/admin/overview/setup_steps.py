"""The steps to a first answer, for a merchant who has none yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.configuration.configuration import Configuration
from engine.statistics.metric_totals import MetricTotals
from web.admin.shell.frame import Frame


@dataclass(frozen=True)
class SetupStep:
    """One step of setting up."""

    title: str
    text: str
    href: str
    action: str
    done: bool


async def steps_of(frame: Frame, configuration: Configuration, totals: MetricTotals) -> Sequence[SetupStep]:
    """Return the steps, nothing once all are done; `totals` are those of all decisions so far."""
    keys = await frame.engine.accounts.keys(frame.merchant.id)
    key = configuration.placements[0].key if configuration.placements else ""
    has_candidates = any(configuration.documents("candidate", placement.key) for placement in configuration.placements)
    inside = f"{frame.base}/placements/{key}" if key else f"{frame.base}/placements"
    steps = [
        SetupStep(
            "Set up a placement",
            "A place in your checkout where the engine chooses. Most merchants start with payment methods.",
            f"{frame.base}/placements/new?key=payment_methods",
            "Set up payment methods",
            bool(key),
        ),
        SetupStep(
            "Add candidates",
            "Your payment methods, with countries, amounts and fees.",
            f"{inside}/candidates/new" if key != "payment_methods" else f"{frame.base}/methods/new",
            "Add a method",
            has_candidates,
        ),
        SetupStep(
            "Make a key", "Your checkout needs it to request decisions.", f"{frame.base}/keys", "Make a key", bool(keys)
        ),
        SetupStep("Request a first decision", "With the request below.", "", "", bool(totals.decisions)),
        SetupStep(
            "Report what happened",
            "Report what the customer chose. The engine learns from it.",
            "",
            "",
            bool(totals.selected or totals.converted),
        ),
    ]
    return [] if all(step.done for step in steps) else steps
