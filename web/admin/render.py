"""Templates to responses. A page's context is a frozen dataclass; its fields are the template's names."""

import hashlib
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from litestar.enums import MediaType

from web.admin.navigation import NAVIGATION
from web.charts import colour_of

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "web" / "static"

Page = Response[str]


@lru_cache(maxsize=256)
def asset(path: str) -> str:
    """The address of a static file, which changes with its content."""
    file = STATIC / path
    version = hashlib.sha256(file.read_bytes()).hexdigest()[:10] if file.is_file() else "missing"
    return f"/static/{path}?v={version}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(asset=asset, navigation=NAVIGATION, colour_of=colour_of)
    return environment


ENVIRONMENT = _environment()


def render(template: str, **names: Any) -> str:
    """The template's text, escaped."""
    return ENVIRONMENT.get_template(template).render(**names)


def html(text: str, *, status: int = 200) -> Page:
    """A response that no one keeps: pages show what is true now, to the one who asked."""
    return Response(text, status_code=status, media_type=MediaType.HTML, headers={"Cache-Control": "no-store"})


def names_of(context: Any) -> dict[str, Any]:
    """A dataclass's fields, one level deep."""
    return {field.name: getattr(context, field.name) for field in fields(context)}
