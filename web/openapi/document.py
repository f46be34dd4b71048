"""Build the OpenAPI 3.1 document from the handlers' operations and the types that read and write JSON."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute

from engine.model.history import Number
from engine.model.placement import FieldName, Id
from web.http import problem_details
from web.http.middleware.base_path import browser_path
from web.http.problem_details import Problem
from web.http.validation_errors import ecma
from web.openapi.deprecation_marks import mark
from web.openapi.operation import Answer, Keys, Operation
from web.operation_ids import operation_id

Json = dict[str, Any]
Reference = Callable[[Any], Json]

ABOUT = """\
Decide what to show a customer, report what happened, and configure what may be shown.

Send `Authorization: Bearer <key>`. A secret key has full access to its merchant. A publishable key, for browsers, may \
only request decisions and report outcomes. Amounts are integers in minor units, times are RFC 3339.

Errors are problem+json (RFC 9457): `type` is stable, `field` and `errors` name what to correct. Bodies over 64 KiB \
are refused unless stated otherwise.

Lists come in pages: `next` is the `cursor` of the next page, or null. Resources that can be edited have a `version`, \
also in `ETag`. Send the version that you changed in `If-Match`."""

API_VERSION = "1"
METHODS = ("GET", "POST", "PUT", "DELETE")
SECURITY: dict[Keys, list[Json]] = {
    "any": [{"secretKey": []}, {"publishableKey": []}],
    "secret": [{"secretKey": []}],
    "none": [],
}
SCHEMES: Json = {
    "secretKey": {"type": "http", "scheme": "bearer", "description": "`sk_live_...` or `sk_test_...`, for servers"},
    "publishableKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "`pk_live_...` or `pk_test_...`, for browsers",
    },
}
HEADERS: dict[str, tuple[str, str]] = {
    "ETag": ("The version, or of flags what stands for the answer, in quotes", '^"[0-9a-z_]+"$'),
    "Location": ("The URL of the resource, if one was created", "^/v1/"),
    "RateLimit": ("What is left: the limit's name, `r` decisions or outcomes, all again in `t` seconds", '^"'),
    "RateLimit-Policy": ("The limit: its name, `q` decisions or outcomes in `w` seconds", '^"'),
    "Retry-After": ("Seconds to wait", "^[0-9]+$"),
    "WWW-Authenticate": ("How to authenticate", "^Bearer$"),
    "X-SSE-Support": ("`enabled` where the client may open `/sub/{client_key}`", "^enabled$"),
}
HEADERS_OF_PROBLEMS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
HEADERS_OF_LIMITS = ("RateLimit", "RateLimit-Policy")
IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The version that you changed, in quotes, or `*` for any version.",
    "schema": {"type": "string", "pattern": r'^("[0-9]{1,9}"|\*)$'},
    "example": "*",
}
IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of an earlier answer.",
    "schema": {"type": "string"},
}
IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A unique text, so that sending the request again has no other effect.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
PATH_PARTS: dict[str, tuple[Any, str]] = {
    "placement": (Id, "The placement's key"),
    "id": (Id, "The id"),
    "name": (Id, "The name"),
    "version": (Number, "The version"),
    "event": (Number, "The id of an event"),
    "key": (str, "The flag's key"),
    "client_key": (str, "A publishable key"),
}


def document(app: Litestar) -> Json:
    """Return the document of all handlers with an `Operation`, in which what the app deprecates is marked."""
    operations = list(_operations(app))
    types = list(dict.fromkeys(kind for *_, operation in operations for kind in _types(operation)))
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    by_type = dict(zip(types, schemas, strict=True))
    paths: Json = {}
    for path, method, operation in operations:
        paths.setdefault(path, {})[method] = _operation(path, method, operation, by_type.__getitem__)
    openapi: Json = _tidy(
        {
            "openapi": "3.1.0",
            "info": {"title": "Tap2 Personalize", "version": API_VERSION, "description": ABOUT},
            "servers": [{"url": browser_path("") or "/"}],
            "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for *_, operation in operations)],
            "paths": paths,
            "components": {"schemas": components, "securitySchemes": SCHEMES},
        }
    )
    mark(openapi, app.state.deprecated)
    return openapi


def _operations(app: Litestar) -> Iterator[tuple[str, str, Operation]]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        by_method = {str(method): handler for handler in route.route_handlers for method in handler.http_methods}
        for method in METHODS:
            if method in by_method and "operation" in by_method[method].opt:
                yield route.path_format, method.lower(), by_method[method].opt["operation"]


def _types(operation: Operation) -> Iterator[Any]:
    yield Problem
    yield Id
    yield FieldName
    yield Number
    yield str
    yield from (kind for answer in operation.answers.values() for kind in (*answer.types, *answer.parts))
    if operation.body is not None:
        yield operation.body


def _operation(path: str, method: str, operation: Operation, schema: Reference) -> Json:
    described: Json = {
        "operationId": operation_id(method, path),
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "security": SECURITY[operation.keys],
        "parameters": list(_parameters(path, operation, schema)),
        "responses": {str(status): body for status, body in _responses(path, operation, schema)},
    }
    if operation.body is not None:
        content = {"schema": schema(operation.body), "example": operation.example}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return {name: value for name, value in described.items() if value or name == "security"}


def _parameters(path: str, operation: Operation, schema: Reference) -> Iterator[Json]:
    for name in (part[1:-1] for part in path.split("/") if part.startswith("{")):
        kind, about = (FieldName, "The name") if path.startswith("/v1/vocabulary/") else PATH_PARTS[name]
        yield {"name": name, "in": "path", "required": True, "description": about, "schema": schema(kind)}
    if operation.query is not None:
        # Parameters are listed one by one, so the struct does not become a component.
        _, parts = msgspec.json.schema_components([operation.query])
        query = parts[operation.query.__name__]
        for name, schema_of_parameter in query["properties"].items():
            needed = {"required": True} if name in query.get("required", ()) else {}
            yield {"name": name, "in": "query", **needed, **_query_parameter(schema_of_parameter)}
    if 428 in operation.errors:
        yield IF_MATCH
    if 304 in operation.answers:
        yield IF_NONE_MATCH
    if 422 in operation.errors:
        yield IDEMPOTENCY_KEY


def _query_parameter(schema: Json) -> Json:
    """Describe a parameter. An optional one is left out of a URL, so its schema does not allow null."""
    described = dict(schema)
    described.pop("default", None)
    for option in schema.get("anyOf", ()):
        if option.get("type") != "null":
            described = dict(option)
    about = described.pop("description", "")
    default = {} if schema.get("default") in (None, "") else {"default": schema["default"]}
    return {"description": about, "schema": {**described, **default}}


def _responses(path: str, operation: Operation, schema: Reference) -> Iterator[tuple[int, Json]]:
    limits = HEADERS_OF_LIMITS if operation.keys == "any" else ()
    for status, answer in operation.answers.items():
        yield status, _answer(answer._replace(headers=(*answer.headers, *limits)), schema)
    for status in sorted({*_common(path, operation), *operation.errors} - operation.answers.keys()):
        title = problem_details.TITLES[status]
        headers = (*HEADERS_OF_PROBLEMS.get(status, ()), *(limits if status == 429 else ()))
        problem = Answer(title, Problem, headers, problem_details.MEDIA_TYPE)
        yield status, _answer(problem, schema)


def _common(path: str, operation: Operation) -> Iterator[int]:
    yield from (400, 500)
    if operation.keys != "none":
        yield 503
        yield from (401, 403) if operation.keys == "secret" else (401, 403, 429)
    if "{" in path:
        yield 404
    if operation.body is not None:
        yield 413


def _answer(answer: Answer, schema: Reference) -> Json:
    described: Json = {"description": answer.description}
    if answer.headers:
        described["headers"] = {name: _header(name) for name in answer.headers}
    if answer.types:
        schemas = [schema(kind) for kind in answer.types]
        described["content"] = {answer.media: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}
        # OpenAPI 3.1 describes a binary body by its media type alone.
        described["content"] |= {media: {} for media in answer.files}
    return described


def _header(name: str) -> Json:
    about, pattern = HEADERS[name]
    return {"description": about, "schema": {"type": "string", "pattern": pattern}}


def _tidy(node: Any, name: str = "") -> Any:
    """Remove indentation of docstrings, write patterns as JSON Schema does, and complete arrays and objects."""
    if isinstance(node, dict):
        tidied = {key: _tidy(value, key) for key, value in node.items()}
        return _with_default_in_words(_open(_with_items(tidied)))
    if isinstance(node, list):
        return [_tidy(value) for value in node]
    if isinstance(node, str) and name == "description":
        return inspect.cleandoc(node)
    return ecma(node) if isinstance(node, str) and name == "pattern" else node


def _with_items(schema: Json) -> Json:
    """Give every array `items`: client generators refuse an array without them, or with `false`.

    A tuple gets them beside `prefixItems`. Its length stays bounded by `maxItems`, so they allow nothing new.
    """
    if schema.get("type") != "array" or schema.get("items"):
        return schema
    types: list[Json] = []
    for item in schema.get("prefixItems", ()):
        if item not in types:
            types.append(item)
    return {**schema, "items": {"anyOf": types} if len(types) > 1 else types[0] if types else {}}


def _open(schema: Json) -> Json:
    """Say of an object without named properties that it may have any, because generators of types take it for empty."""
    if schema.get("type") != "object" or not schema.keys().isdisjoint(("properties", "additionalProperties")):
        return schema
    return {**schema, "additionalProperties": True}


def _with_default_in_words(schema: Json) -> Json:
    """Move a default into the description: generators of types take a property with a default for required."""
    if "default" not in schema or schema.keys().isdisjoint(("type", "anyOf", "enum", "$ref")):
        return schema
    others = {name: value for name, value in schema.items() if name != "default"}
    if schema["default"] in (None, "", [], {}):
        return others
    words = [schema.get("description", ""), f"Default: `{json.dumps(schema['default'])}`."]
    return {**others, "description": " ".join(word for word in words if word)}
