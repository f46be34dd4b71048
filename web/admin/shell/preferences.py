"""What a person chooses for their own browser: the theme."""

from __future__ import annotations

from typing import Any

from litestar import Response, post
from litestar.di import NamedDependency

from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.frame import A_YEAR, THEME, Frame, chosen_theme
from web.http.middleware.base_path import browser_path


@post("/theme", status_code=200)
async def choose_theme(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Save the theme in a cookie; scripts have changed the page already."""
    values = await typed(request)
    response: Response[Any] = Response(None, status_code=204) if frame.is_htmx else frame.go(_back(values))
    response.set_cookie(frame.cookies.make(THEME, chosen_theme(values.get("theme")), seconds=A_YEAR))
    return response


def _back(values: dict[str, str]) -> str:
    page, pages = values.get("back", ""), browser_path("/admin/")
    return page if page.startswith(pages) and "\\" not in page else pages


handlers = [choose_theme]
