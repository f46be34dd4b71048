"""The log-in page, and leaving."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.response import Redirect

from engine.model.errors import Forbidden, TooMany
from web.admin.shell.admission import AnyRequest, cookies_of, typed
from web.admin.shell.door import (
    EXPIRED,
    browser_of,
    came_from_door,
    count_login,
    door_page,
    end_old_session,
    let_in,
    network_address,
    problem,
    too_often,
)
from web.admin.shell.forms import Form
from web.admin.shell.render import Page
from web.http.sessions import SESSION

TEMPLATE = "shell/login.html"


@get("/login", include_in_schema=False)
async def login_page(request: AnyRequest) -> Page:
    """Show the log-in form. Its token is in a cookie too, so that no other site can log anyone in."""
    return door_page(request, TEMPLATE, Form({"next": request.query_params.get("next", "")}))


@post("/login", include_in_schema=False)
async def log_in(request: AnyRequest) -> Response[Any]:
    """Start a new session. Wrong e-mail and wrong password get the same answer."""
    values = await typed(request)
    shown = {"email": values.get("email", "")[:200], "next": values.get("next", "")}
    if not came_from_door(request, values):
        return door_page(request, TEMPLATE, problem(shown, EXPIRED), status=403)
    try:
        token, _ = await request.app.state.engine.sessions.log_in(
            shown["email"], values.get("password", ""), address=network_address(request), browser=browser_of(request)
        )
    except TooMany as limit:
        response = door_page(request, TEMPLATE, problem(shown, too_often(limit.retry_after)), status=429)
        response.headers["Retry-After"] = str(limit.retry_after)
        return response
    except Forbidden as refusal:
        count_login("refused")
        return door_page(request, TEMPLATE, problem(shown, refusal.detail), status=401)
    return await let_in(request, token, shown["next"])


@post("/logout", include_in_schema=False)
async def log_out(request: AnyRequest) -> Response[Any]:
    """Delete the session on the server and log out."""
    await end_old_session(request)
    response = Redirect("/admin/login", status_code=303)
    response.set_cookie(cookies_of(request).gone(SESSION))
    return response


handlers = [log_out]
outside = [login_page, log_in]
