"""`tap2 user`: the people who log in, the twin of the pages Team and Profile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from engine.accounts.team import ROLES
from engine.model.account import Role
from engine.service import Engine
from web.cli.common import as_json, settings, show, with_engine

ACTOR = "tap2"


@click.group()
def user() -> None:
    """People who log in."""


@user.command("add")
@click.argument("email")
@click.option("--merchant", required=True, help="The merchant's slug.")
@click.option("--name", default="")
@click.option("--role", type=click.Choice(ROLES), default="admin", show_default=True)
@click.password_option(
    envvar="TAP2_PASSWORD", help="The password; prompted for by default, also read from TAP2_PASSWORD."
)
@as_json
def user_add(*, email: str, merchant: str, name: str, role: Role, password: str, json: bool) -> None:
    """Add a person."""
    user = with_engine(lambda engine: engine.team.add_user(email, name, merchant, role, password))
    show({"email": user.email, "merchant": user.slug, "role": user.role}, json=json)


@user.command("password")
@click.argument("email")
@click.password_option(
    envvar="TAP2_PASSWORD", help="The password; prompted for by default, also read from TAP2_PASSWORD."
)
@as_json
def user_password(*, email: str, password: str, json: bool) -> None:
    """Set a person's password and end their sessions."""
    with_engine(lambda engine: engine.team.set_password(email, password))
    show({"email": email, "changed": True}, json=json)


@user.command("list")
@click.option("--merchant", required=True, help="The merchant's slug.")
@as_json
def user_list(*, merchant: str, json: bool) -> None:
    """List the people of a merchant and the open invitations."""

    async def work(engine: Engine) -> Sequence[dict[str, str]]:
        await engine.accounts.merchant(merchant)
        people, invitations = await engine.team.people(merchant), await engine.team.invitations(merchant)
        rows = [_row(each.email, each.role, each.name, _time(each.last_seen_at)) for each in people]
        return rows + [
            _row(each.email, each.role, "", f"invited until {_time(each.expires_at)}") for each in invitations
        ]

    show(with_engine(work), json=json, title=f"People of {merchant}")


@user.command("role")
@click.argument("email")
@click.argument("role", type=click.Choice(ROLES))
@as_json
def user_role(*, email: str, role: Role, json: bool) -> None:
    """Change a person's role and end their sessions."""

    async def work(engine: Engine) -> None:
        person = await engine.team.user(email)
        await engine.team.set_role(person.slug, person.email, role, actor_name=ACTOR)

    with_engine(work)
    show({"email": email, "role": role}, json=json)


@user.command("remove")
@click.argument("email")
@as_json
def user_remove(*, email: str, json: bool) -> None:
    """Remove a person and end their sessions at once."""

    async def work(engine: Engine) -> None:
        person = await engine.team.user(email)
        await engine.team.remove(person.slug, person.email, actor_name=ACTOR)

    with_engine(work)
    show({"email": email, "removed": True}, json=json)


@user.command("invite")
@click.argument("email")
@click.option("--merchant", required=True, help="The merchant's slug.")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True)
@click.option(
    "--url", envvar="TAP2_URL", help="The address at which people reach the server; by default the one it listens on."
)
@as_json
def user_invite(*, email: str, merchant: str, role: Role, url: str | None, json: bool) -> None:
    """Print an invitation link. It works once, within 7 days, and is shown only here."""
    chosen = settings()
    base = (url or f"http://{chosen.host}:{chosen.port}").rstrip("/")
    token = with_engine(lambda engine: engine.team.invite(merchant, email, role, actor_name=ACTOR))
    show({"email": email, "role": role, "link": f"{base}/admin/join/{token}"}, json=json)


@user.command("sessions")
@click.argument("email")
@click.option("--end", is_flag=True, help="End them.")
@as_json
def user_sessions(*, email: str, end: bool, json: bool) -> None:
    """List a person's sessions, or end them."""

    async def listed(engine: Engine) -> Sequence[dict[str, str]]:
        sessions = await engine.sessions.all_of(await engine.team.user(email))
        return [
            {"browser": each.browser, "began": _time(each.created_at), "last_seen": _time(each.last_seen_at)}
            for each in sessions
        ]

    async def ended(engine: Engine) -> dict[str, str | int]:
        person = await engine.team.user(email)
        return {
            "email": person.email,
            "ended": await engine.team.end_sessions(person.slug, person.email, actor_name=ACTOR),
        }

    show(with_engine(ended) if end else with_engine(listed), json=json)


@user.command("factor")
@click.argument("email")
@click.option("--remove", is_flag=True, help="Remove it for a person who lost the phone and the recovery codes.")
@as_json
def user_factor(*, email: str, remove: bool, json: bool) -> None:
    """Show whether a person has a second factor, or remove it."""

    async def work(engine: Engine) -> dict[str, str | bool | int]:
        person = await engine.team.user(email)
        if remove:
            await engine.second_factors.remove(person, actor_name=ACTOR)
        state = await engine.second_factors.state(person)
        return {"email": person.email, "second_factor": state.is_on, "recovery_codes": state.codes_left}

    show(with_engine(work), json=json)


def _row(email: str, role: str, name: str, last_seen: str) -> dict[str, str]:
    return {"email": email, "role": role, "name": name, "last_seen": last_seen}


def _time(milliseconds: int | None) -> str:
    """Return a time in UTC, to the second."""
    if milliseconds is None:
        return "never"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
