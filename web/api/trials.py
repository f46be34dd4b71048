"""Trials: the answer that a draft would give to a checkout, and the reasons. Nothing is logged or learned from."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.intake.context import Intake
from engine.kernel.experiments.overlay import overlaid
from engine.kernel.plan import PlanDocument
from engine.kernel.trace import Trace, trace
from engine.model.decision import Excluded, Ranked, Skipped
from engine.model.errors import invalid
from engine.model.experiment import Experiment, Variant
from engine.model.facts import Facts
from engine.model.placement import Id, RuleDocument
from engine.model.timestamps import rfc3339
from engine.service import Engine
from rules import Wording
from web.api.decisions import Context
from web.api.drafts import PATH, TAG
from web.http.request_reading import MOST_BULK_BYTES
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation


class TrialStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The facts of a checkout; `time.now` defaults to the current time. `rules` defaults to the draft's.

    `variants` forces variants of experiments, running or not, to test what each of them answers.
    """

    context: Context = {}
    rules: (
        Annotated[
            tuple[RuleDocument, ...], Meta(max_length=5_000, description="Try these instead of the draft's rules.")
        ]
        | None
    ) = None
    variants: Annotated[
        dict[Id, Id], Meta(max_length=20, description="Answer as these variants do: variants by experiment.")
    ] = {}


class TrialAnswer(msgspec.Struct, frozen=True):
    """The likeliest answer for a customer without history, by the current beliefs.

    `slots`: the chance of each candidate in each drawn slot; empty for a pinned slot.
    """

    ranking: list[Ranked]
    excluded: list[Excluded]
    values: dict[str, bool | int | float | str]
    rules: Annotated[list[str], Meta(description="The rules that fired.")]
    skipped: list[Skipped]
    slots: list[dict[str, float]]
    trace: Trace


@post(
    f"{PATH}/trial",
    **Operation(
        TAG,
        "Try a checkout on a draft",
        {200: Answer("The answer that it would get, and the evaluation of each rule", TrialAnswer)},
        "Nothing is logged, and nothing is learned.",
        body=TrialStart,
        example=examples.TRIAL,
        errors=(409,),
        most_bytes=MOST_BULK_BYTES,
    ).route(),
)
async def try_checkout(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    document: NamedDependency[TrialStart],
) -> Response[bytes]:
    _, plan = await engine.drafts.plan(access.merchant.id, placement, rules=document.rules)
    if document.variants:
        plan = overlaid(plan, await _forced(engine, access.merchant.id, placement, document.variants))
    facts = _facts(plan, document.context)
    trial = await engine.trials.answer(access.merchant.id, plan, facts)
    decision = trial.decision
    body = TrialAnswer(
        decision.ranking,
        decision.excluded,
        decision.values,
        decision.rules,
        decision.skipped,
        trial.slots,
        trace(trial.plan, facts, decision, Wording(currency=access.merchant.currency)),
    )
    return json_response(body, headers=NO_STORE)


async def _forced(
    engine: Engine, merchant_id: int, placement: str, variants: dict[str, str]
) -> list[tuple[Experiment, Variant]]:
    """Return the variants to force; `NotFound` for an experiment that is missing, `Invalid` for a variant."""
    forced = []
    for id, name in variants.items():
        experiment: Experiment = (await engine.experiments.get(merchant_id, placement, id)).document
        variant = next((each for each in experiment.variants if each.id == name), None)
        if variant is None:
            raise invalid(f"variants/{id}", f"there is no variant “{name}”")
        forced.append((experiment, variant))
    return forced


def _facts(plan: PlanDocument, context: dict[str, Any]) -> Facts:
    values = Intake(plan.fields, with_engine_fields=True).values(context)
    values.setdefault("time.now", rfc3339(now_ms()))
    return Facts(values)


handlers = [try_checkout]
