"""The command `tap2`."""

from __future__ import annotations

import click

from web.cli.command_group import CommandGroup

SOURCES = {
    "audit": "web.cli.installation.audit:audit",
    # `refits` adds its commands to those of `maintenance`, as `preferences_import` does to those of `rights`.
    "beliefs": "web.cli.installation.refits:beliefs",
    "budget": "web.cli.offers.budgets:budget",
    "codes": "web.cli.offers.codes:codes",
    "config": "web.cli.installation.maintenance:config",
    "customer": "web.cli.customers.preferences_import:customer",
    "db": "web.cli.installation.maintenance:db",
    "decision": "web.cli.decisions:decision",
    "demo": "web.cli.demo:demo",
    "doctor": "web.cli.installation.maintenance:doctor",
    "evaluate": "web.cli.evaluate:evaluate",
    "events": "web.cli.events.event_list:events",
    "experiments": "web.cli.experiments.documents:experiments",
    "export": "web.cli.export:export",
    "keys": "web.cli.accounts:keys",
    "merchant": "web.cli.accounts:merchant",
    "offers": "web.cli.offers.budgets:offers",
    "outcomes": "web.cli.outcomes:outcomes",
    "replay": "web.cli.replay:replay",
    "retention": "web.cli.customers.retention:retention",
    "rules": "web.cli.rules:rules",
    "serve": "web.cli.serve:serve",
    "simulate": "web.cli.simulation.simulate:simulate",
    "status": "web.cli.installation.status:status",
    "tiers": "web.cli.installation.tiers:tiers",
    "user": "web.cli.people:user",
    "webhooks": "web.cli.events.webhooks:webhooks",
}


@click.group(cls=CommandGroup, sources=SOURCES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tap2-personalize-server")
def main() -> None:
    """Tap2 Personalize: an open decision engine for checkouts. Settings are TAP2_* variables; see `tap2 config`."""
