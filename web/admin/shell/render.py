"""Templates to responses. A page's context is a frozen dataclass; its fields are the template's names."""

import hashlib
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from litestar.enums import MediaType
from markupsafe import Markup

from web.admin.shell.navigation import NAVIGATION
from web.charts.candidate_charts import colour_of
from web.http.middleware.base_path import browser_path

WEB = Path(__file__).resolve().parents[2]
STATIC = WEB / "static"

Page = Response[str]

SWAPPED = Markup(' hx-swap-oob="true"')
"""Stands on a part of an answer that takes the place of the one with its id, wherever that is on the page."""

# No inline script or style and no eval: what a merchant typed can never run in another's browser.
CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@lru_cache(maxsize=256)
def versioned(path: str) -> str:
    """Return the path of a static file, with its version in the query, which changes with its content."""
    file = STATIC / path
    version = hashlib.sha256(file.read_bytes()).hexdigest()[:10] if file.is_file() else "missing"
    return f"/static/{path}?v={version}"


def asset(path: str) -> str:
    """Return the address of a static file."""
    return browser_path(versioned(path))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(asset=asset, browser_path=browser_path, navigation=NAVIGATION, colour_of=colour_of)
    return environment


ENVIRONMENT = _environment()


def render(template: str, **names: Any) -> str:
    """Render a template, escaped, with the macros as `ui`."""
    macros = ENVIRONMENT.get_template("shell/macros.html").make_module(names)
    return ENVIRONMENT.get_template(template).render(ui=macros, **names)


def html(text: str, *, status: int = 200) -> Page:
    """Make a response that is not cached."""
    return Response(text, status_code=status, media_type=MediaType.HTML, headers=dict(HEADERS))


def names_of(context: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by name, one level deep."""
    return {field.name: getattr(context, field.name) for field in fields(context)}
