"""Say where personal data chose the offers of an answer, as New York's law on algorithmic prices asks for. Pure."""

from __future__ import annotations

from engine.kernel.plan import Plan
from engine.model.facts import Facts
from engine.model.placement import Contextual, Thompson

STATEMENT = "THIS PRICE WAS SET BY AN ALGORITHM USING YOUR PERSONAL DATA"
"""The words of New York General Business Law, section 349-a."""
PERSONAL = ("customer.", "history.")


def disclosure(plan: Plan, facts: Facts) -> str | None:
    """Return the statement to show with the offers of an answer; None if no personal fact could move them.

    Personal are the facts of the customer that a rule reads or the policy learns from, and the customer's own past.
    """
    policy = plan.placement.policy
    features = policy.features if isinstance(policy, Contextual) else ()
    read = {*plan.compiled.fields, *features}
    uses_past = (isinstance(policy, Thompson) and policy.history) or (
        isinstance(policy, Contextual) and policy.affinity
    )
    has_fact = any(name.startswith(PERSONAL) and facts.values.get(name) is not None for name in read)
    return STATEMENT if has_fact or (uses_past and bool(facts.history)) else None
