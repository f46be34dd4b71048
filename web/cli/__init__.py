"""The command `tap2`."""

from __future__ import annotations

import click

from web.cli import (
    accounts,
    decisions,
    demo,
    evaluate,
    export,
    outcomes,
    people,
    refits,
    replay,
    rules,
    serve,
)
from web.cli.customers import preferences_import, retention, rights
from web.cli.events import event_list, webhooks
from web.cli.experiments import documents as experiments
from web.cli.failures import CommandGroup
from web.cli.installation import audit, maintenance, status, tiers
from web.cli.offers import budgets, codes
from web.cli.simulation import simulate


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tap2-personalize-server")
def main() -> None:
    """Tap2 Personalize: an open decision engine for checkouts. Settings are TAP2_* variables; see `tap2 config`."""


maintenance.beliefs.add_command(refits.refits)
maintenance.beliefs.add_command(refits.undo_refit)
rights.customer.add_command(preferences_import.customer_import)

for command in (
    serve.serve,
    maintenance.config,
    maintenance.doctor,
    status.status,
    maintenance.db,
    maintenance.beliefs,
    accounts.merchant,
    people.user,
    accounts.keys,
    tiers.tiers,
    decisions.decision,
    outcomes.outcomes,
    rights.customer,
    retention.retention,
    audit.audit,
    experiments.experiments,
    budgets.offers,
    budgets.budget,
    codes.codes,
    event_list.events,
    webhooks.webhooks,
    evaluate.evaluate,
    export.export,
    demo.demo,
    replay.replay,
    rules.rules,
    simulate.simulate,
):
    main.add_command(command)
