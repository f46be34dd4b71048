"""The second factor on the own profile: set it up with an authenticator app, or remove it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import segno
from litestar import Response, post
from litestar.di import NamedDependency
from markupsafe import Markup

from engine.model.errors import Invalid
from web.admin.people.profile_page import PROFILE, profile_with
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import Form
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.public_forms import network_address
from web.admin.shell.render import Page
from web.http.metrics import PEOPLE
from web.http.middleware.base_path import browser_path

TEMPLATE = "people/second_factor.html"


@dataclass(frozen=True)
class SecondFactorPage:
    """A step of the setup: the secret to scan, else a form for a code, else the recovery codes. Each is shown once."""

    form: Form
    picture: Markup
    secret: str
    codes: Sequence[str]


@post("/profile/second-factor", status_code=200)
async def begin(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Make a secret and show it, after the password."""
    if (refusal := await _without_password(request, frame)) is not None:
        return refusal
    setup = await frame.engine.second_factors.begin(frame.user)
    groups = " ".join(setup.secret[start : start + 4] for start in range(0, len(setup.secret), 4))
    return frame.page(TEMPLATE, SecondFactorPage(Form(), _picture(setup.uri), groups, ()))


@post("/profile/second-factor/confirm", status_code=200)
async def confirm(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Turn the second factor on with a first code, and show the recovery codes.

    After a wrong code the secret is not shown again: that would need the password.
    """
    code = (await typed(request)).get("code", "")
    try:
        codes = await frame.engine.second_factors.confirm(
            frame.user, code, address=network_address(request), keep_hash=frame.session.token_hash
        )
    except Invalid as error:
        form = Form({}).with_problems(error.problems)
        return frame.page(TEMPLATE, SecondFactorPage(form, Markup(), "", ()), status=422)
    PEOPLE.labels("second_factor_on").inc()
    return frame.page(TEMPLATE, SecondFactorPage(Form(), Markup(), "", codes))


@post("/profile/second-factor/remove", status_code=200)
async def remove(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Turn the second factor off, after the password."""
    if (refusal := await _without_password(request, frame)) is not None:
        return refusal
    await frame.engine.second_factors.remove(frame.user, actor_name=frame.user.email)
    PEOPLE.labels("second_factor_off").inc()
    return frame.go(
        browser_path(PROFILE), notice=Notice("The second factor is removed. Your password alone lets you in.")
    )


async def _without_password(request: AnyRequest, frame: Frame) -> Page | None:
    """Return the profile with a problem where the password that was typed is wrong."""
    password = (await typed(request)).get("factor_password", "")
    try:
        await frame.engine.sessions.confirm(
            frame.user, password, address=network_address(request), field="factor_password"
        )
    except Invalid as error:
        return await profile_with(frame, factor=Form({}).with_problems(error.problems), status=422)
    return None


def _picture(uri: str) -> Markup:
    """Return a QR code, dark on light also in the dark theme: not every app reads inverted ones."""
    code = segno.make(uri, error="m", micro=False)
    return Markup(code.svg_inline(scale=5, border=4, dark="#000", light="#fff"))  # noqa: S704


handlers = [begin, confirm, remove]
