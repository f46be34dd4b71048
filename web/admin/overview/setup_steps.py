"""The guide for a new merchant: the steps from an empty account to a first rule, ticked off as they are done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.configuration.configuration import Configuration
from engine.statistics.metric_totals import MetricTotals
from web.admin.shell.frame import Frame

FIRST_DECISIONS = 1_000
"""The guide ends here, also without a rule."""
KEY = "YOUR_KEY"


@dataclass(frozen=True)
class SetupStep:
    """A step, the page where it is done, and the request to copy where it is one."""

    title: str
    text: str
    done: bool
    href: str = ""
    action: str = ""
    request: str = ""


@dataclass(frozen=True)
class SetupGuide:
    """The steps; all are `done` at the end."""

    steps: Sequence[SetupStep]

    @property
    def done(self) -> int:
        """Return how many steps are done."""
        return sum(step.done for step in self.steps)

    @property
    def next_step(self) -> int:
        """Return the index of the first step to do; the number of steps if there is none."""
        return next((index for index, step in enumerate(self.steps) if not step.done), len(self.steps))


async def guide_of(frame: Frame, configuration: Configuration, totals: MetricTotals, address: str) -> SetupGuide | None:
    """Return the steps; None once all are done, or the first decisions are over.

    `totals` are those of all decisions, `address` is the server's.
    """
    reported = bool(totals.selected or totals.converted)
    if reported and totals.decisions >= FIRST_DECISIONS:
        return None
    keys = await frame.engine.accounts.keys(frame.merchant.id)
    placements = [placement.key for placement in configuration.placements]
    candidates = [each for key in placements for each in configuration.documents("candidate", key)]
    rules = [each for key in placements for each in configuration.documents("rule", key)]
    key = placements[0] if placements else "payment_methods"
    inside = f"{frame.base}/placements/{key}" if placements else f"{frame.base}/placements"
    steps = [
        SetupStep(
            "Set up a placement",
            "A place in your checkout where the engine chooses. Most merchants start with payment methods.",
            bool(placements),
            f"{frame.base}/placements/-/new?key=payment_methods",
            "Set up payment methods",
        ),
        SetupStep(
            "Add your payment methods",
            "With countries, amounts and fees. Pick several at once from the list.",
            bool(candidates),
            f"{inside}/candidates/-/new" if key != "payment_methods" else f"{frame.base}/methods/-/new/pick",
            "Add methods",
        ),
        SetupStep(
            "Make a key", "Your checkout sends it with each request.", bool(keys), f"{frame.base}/keys", "Make a key"
        ),
        SetupStep(
            "Request a first decision",
            f"From your server or a terminal, with your key in place of {KEY}. This page notices it.",
            bool(totals.decisions),
            request=_decision_request(frame, address, key),
        ),
        SetupStep(
            "Report what the customer did",
            "The engine learns from purchases. Report the one of your last decision.",
            reported,
            request=await _outcome_request(frame, address, key) if totals.decisions and not reported else "",
        ),
        SetupStep(
            "Write a first rule",
            "For example: hide a method for large carts, or put a method first in its country.",
            bool(rules),
            f"{frame.base}/rules/new?placement={key}",
            "Write a rule",
        ),
    ]
    return None if all(step.done for step in steps) else SetupGuide(steps)


def _decision_request(frame: Frame, address: str, placement: str) -> str:
    merchant = frame.merchant
    body = {
        "placement": placement,
        "customer_id": "c_123",
        "context": {
            "device": {"type": "mobile"},
            "geo": {"country": merchant.country},
            "cart": {"total": 12900, "currency": merchant.currency},
        },
    }
    return _request(address, "decisions", body)


async def _outcome_request(frame: Frame, address: str, placement: str) -> str:
    """Return a report for the last decision; nothing if that is not in the log."""
    decisions = await frame.engine.logbook.search(frame.merchant.id, placement=placement, limit=1)
    if not decisions or not decisions[0].decision.ranking:
        return ""
    body = {
        "event_id": "order-1",
        "decision_id": decisions[0].decision.decision_id,
        "type": "converted",
        "candidate_id": decisions[0].decision.ranking[0].id,
    }
    return _request(address, "feedback", body)


def _request(address: str, path: str, body: Mapping[str, object]) -> str:
    return (
        f'curl {address}/v1/personalize/{path} -H "Authorization: Bearer {KEY}" \\\n'
        f"  -H \"Content-Type: application/json\" -d '{json.dumps(body)}'"
    )
