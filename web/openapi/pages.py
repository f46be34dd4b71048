"""The API's documentation: the OpenAPI document, and a page of it without scripts or external files."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec
from litestar import Litestar, Response, get
from markupsafe import Markup

from web.admin.shell.render import STATIC, render
from web.http.request_reading import AnyRequest
from web.openapi.document import document

Json = dict[str, Any]
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Documentation(NamedTuple):
    """The document and its page. They are made once an app and do not change."""

    json: bytes
    page: str


def documentation(app: Litestar) -> Documentation:
    """Return the app's documentation, made at the first request."""
    made: Documentation | None = app.state.get("docs")
    if made is None:
        api = document(app)
        made = app.state["docs"] = Documentation(msgspec.json.encode(api), _page(api))
    return made


def _page(api: Json) -> str:
    return render(
        "documentation/api_reference.html", api=api, groups=groups(api), schemas=api["components"]["schemas"], **SHOW
    )


@get("/")
async def page(request: AnyRequest) -> Response[str]:
    return Response(
        documentation(request.app).page, media_type="text/html", headers={"Content-Security-Policy": POLICY}
    )


@get("/openapi.json")
async def openapi(request: AnyRequest) -> Response[bytes]:
    return Response(documentation(request.app).json, media_type="application/json")


@get("/style.css")
async def style() -> Response[bytes]:
    return Response((STATIC / "docs.css").read_bytes(), media_type="text/css")


def kind(schema: Json) -> str:
    """Describe a schema in words: `list of Ranked`, `integer or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(kind(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {kind(schema['items'])}" if schema.get("items") else "list"
    return str(schema.get("format") or schema.get("type") or "anything")


def names(schema: Json) -> Markup:
    """Describe a schema like `kind`, with links to the schemas that it names."""
    if "$ref" in schema:
        return Markup('<a href="#schema-{0}">{0}</a>').format(kind(schema))
    if "anyOf" in schema:
        return Markup(" or ").join(names(option) for option in schema["anyOf"])
    if schema.get("type") == "array" and schema.get("items"):
        return Markup("list of {}").format(names(schema["items"]))
    return Markup("{}").format(kind(schema))


def meaning(schema: Json) -> str:
    """Return the description of a field, else that of its type."""
    return str(schema.get("description") or next(filter(None, map(meaning, schema.get("anyOf", ()))), ""))


def pretty(value: object) -> str:
    """Return indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)


SHOW = {"kind": kind, "names": names, "meaning": meaning, "pretty": pretty}


def groups(api: Json) -> dict[str, list[Json]]:
    """Group operations by tag, in the order of the tags."""
    groups: dict[str, list[Json]] = {tag["name"]: [] for tag in api["tags"]}
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            groups[operation["tags"][0]].append({"path": path, "method": method.upper(), **operation})
    return groups


handlers = [page, openapi, style]
