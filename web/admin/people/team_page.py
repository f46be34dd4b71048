"""The team: who may log in for this merchant, invitations, roles, and who is let out."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.accounts.team import INVITATION_MS
from engine.clock import now_ms
from engine.model.account import Invitation, User
from engine.model.errors import Conflict, FieldProblem, Invalid, NotFound
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page
from web.http.metrics import PEOPLE
from web.http.middleware.base_path import server_address

TEMPLATE = "people/team.html"
ROLE_SENTENCES: Sequence[tuple[str, str, str]] = (
    ("viewer", "Viewer", "Sees everything and changes nothing."),
    ("editor", "Editor", "Changes drafts and scenarios, and what is in force on the test side."),
    ("publisher", "Publisher", "Also changes what is in force on the live side."),
    ("admin", "Admin", "Also manages people, keys and review."),
)


@dataclass(frozen=True)
class InvitationLink:
    """A link that was just made; it is shown this once."""

    address: str
    email: str
    expires_at: int


@dataclass(frozen=True)
class TeamPage:
    """The people and, for admins, the open invitations. `roles` are (value, name, sentence)."""

    people: Sequence[User]
    with_second_factor: Set[int]
    invitations: Sequence[Invitation]
    form: Form
    link: InvitationLink | None
    roles: Sequence[tuple[str, str, str]] = ROLE_SENTENCES


@get("/team")
async def team_page(frame: NamedDependency[Frame]) -> Page:
    """Show the team to everybody in it: they need to know whom to ask."""
    return await _page(frame)


@post("/team/invite", status_code=200)
async def invite(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Make a link by which somebody joins, and show it."""
    frame.must_administer()
    reader = Reader(await typed(request))
    email, role = reader.text("email", required="Type an e-mail address"), reader.text("role")
    try:
        reader.check()
        token = await frame.engine.team.invite(frame.merchant.slug, email, role, actor_name=frame.actor.name)  # type: ignore[arg-type]
    except Invalid as error:
        return await _page(frame, Form(reader.values).with_problems(error.problems), status=422)
    except Conflict as error:
        problem = FieldProblem(error.field or "form", error.detail)
        return await _page(frame, Form(reader.values).with_problems([problem]), status=409)
    PEOPLE.labels("invited").inc()
    address = f"{server_address(request)}/admin/join/{token}"
    return await _page(frame, link=InvitationLink(address, email, now_ms() + INVITATION_MS))


@post("/team/withdraw", status_code=200)
async def withdraw(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """End an invitation. Its address is in the form: addresses of pages hold no e-mail addresses."""
    frame.must_administer()
    email = (await typed(request)).get("email", "")
    await frame.engine.team.withdraw(frame.merchant.slug, email, actor_name=frame.actor.name)
    PEOPLE.labels("withdrawn").inc()
    return _back(frame, f"The invitation of {email} is withdrawn. Its link no longer works.")


@post("/team/{person_id:int}/role", status_code=200)
async def change_role(request: AnyRequest, frame: NamedDependency[Frame], person_id: FromPath[int]) -> Response[Any]:
    """Change a role; the person is logged out, so that every open page of theirs has the new role."""
    frame.must_administer()
    person, role = await _person(frame, person_id), (await typed(request)).get("role", "")
    if role == person.role:
        return _back(frame, f"{person.name} already has this role.")
    try:
        await frame.engine.team.set_role(frame.merchant.slug, person.email, role, actor_name=frame.actor.name)  # type: ignore[arg-type]
    except (Conflict, Invalid) as error:
        return await _refused(frame, person, "role", error)
    PEOPLE.labels("role").inc()
    return _back(frame, f"{person.name} is {_name_of(role)} now and must log in again.")


@post("/team/{person_id:int}/end-sessions", status_code=200)
async def end_sessions(frame: NamedDependency[Frame], person_id: FromPath[int]) -> Response[Any]:
    """Log a person out everywhere; an admin who does it to themselves stays logged in here."""
    frame.must_administer()
    person = await _person(frame, person_id)
    ended = await frame.engine.team.end_sessions(
        frame.merchant.slug, person.email, actor_name=frame.actor.name, keep_hash=frame.session.token_hash
    )
    PEOPLE.labels("sessions_ended").inc()
    return _back(frame, f"{person.name}: {frame.show.count(ended, 'session')} ended.")


@post("/team/{person_id:int}/remove", status_code=200)
async def remove(request: AnyRequest, frame: NamedDependency[Frame], person_id: FromPath[int]) -> Response[Any]:
    """Remove a person if their name was typed. This cannot be undone."""
    frame.must_administer()
    person, values = await _person(frame, person_id), await typed(request)
    if values.get("confirm", "").strip() != person.name:
        problem = FieldProblem(f"remove-{person_id}", f"type {person.name} to confirm")
        return await _page(frame, Form({}).with_problems([problem]), status=422)
    try:
        await frame.engine.team.remove(frame.merchant.slug, person.email, actor_name=frame.actor.name)
    except Conflict as error:
        return await _refused(frame, person, "remove", error)
    PEOPLE.labels("removed").inc()
    return _back(frame, f"{person.name} is removed and logged out.")


async def _person(frame: Frame, person_id: int) -> User:
    """Return a person of this team; those of other teams are not there."""
    for person in await frame.engine.team.people(frame.merchant.slug):
        if person.id == person_id:
            return person
    raise NotFound(f"there is no person {person_id}", field="id")


async def _refused(frame: Frame, person: User, field: str, error: Conflict | Invalid) -> Page:
    """Show the page with a problem beside the person whom it is about."""
    message = error.problems[0].message if isinstance(error, Invalid) else error.detail
    form = Form({}).with_problems([FieldProblem(f"{field}-{person.id}", message)])
    return await _page(frame, form, status=422 if isinstance(error, Invalid) else 409)


def _back(frame: Frame, text: str) -> Response[Any]:
    return frame.go(f"{frame.base}/team", notice=Notice(text))


def _name_of(role: str) -> str:
    article = "an" if role[:1] in "ae" else "a"
    return f"{article} {role}"


async def _page(
    frame: Frame, form: Form | None = None, *, link: InvitationLink | None = None, status: int = 200
) -> Page:
    team, slug = frame.engine.team, frame.merchant.slug
    invitations = await team.invitations(slug) if frame.may_administer else []
    owners = await frame.engine.second_factors.owners(slug)
    page = TeamPage(await team.people(slug), owners, invitations, form or Form({"role": "viewer"}), link)
    return frame.page(TEMPLATE, page, status=status)


handlers = [team_page, invite, withdraw, change_role, end_sessions, remove]
