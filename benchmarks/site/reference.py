"""Write the OpenAPI document as Markdown: a page for each tag, one of schemas, and an index."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from web.openapi.pages import groups, kind, meaning, pretty

Json = dict[str, Any]
FOLDER = "api"
SCHEMAS = f"{FOLDER}/schemas.md"
FIRST_ERROR = "400"


def pages(api: Json) -> dict[str, str]:
    """Return the text of each page by its path on the site."""
    by_tag = groups(api)
    return {
        f"{FOLDER}/index.md": _index(api, by_tag),
        **{path(tag): _tag(tag, operations) for tag, operations in by_tag.items()},
        SCHEMAS: _schemas(api["components"]["schemas"]),
    }


def path(tag: str) -> str:
    """Return the path of a tag's page on the site."""
    return f"{FOLDER}/{tag.lower().replace(' ', '-')}.md"


def _index(api: Json, by_tag: dict[str, list[Json]]) -> str:
    lines = ["# All operations", "", api["info"]["description"], ""]
    lines += [
        "[HTTP API](../http-api.md) has examples of all this, [errors](../errors.md) lists the errors and limits.",
        "",
    ]
    for tag, operations in by_tag.items():
        own = path(tag).removeprefix(f"{FOLDER}/")
        lines += [f"## {tag}", "", "| operation | request |", "|---|---|"]
        lines += [
            f"| [{_cell(operation['summary'])}]({own}#{operation['operationId']}) | {_request(operation)} |"
            for operation in operations
        ]
        lines.append("")
    return "\n".join(lines)


def _tag(tag: str, operations: list[Json]) -> str:
    lines = [f"# {tag}", ""]
    for operation in operations:
        lines += _operation(operation)
    return "\n".join(lines)


def _operation(operation: Json) -> Iterator[str]:
    yield from (
        f"## {operation['summary']} {{ #{operation['operationId']} }}",
        "",
        _request(operation),
        "",
    )
    yield from (_prose(operation.get("description", "")), "", _keys(operation), "")
    if parameters := operation.get("parameters"):
        yield from ("| parameter | in | type | meaning |", "|---|---|---|---|")
        for parameter in parameters:
            name = f"`{parameter['name']}`{' (required)' if parameter.get('required') else ''}"
            yield _row(name, parameter["in"], kind(parameter["schema"]), parameter.get("description", ""))
        yield ""
    if body := operation.get("requestBody", {}).get("content", {}).get("application/json"):
        yield from (f"Body: {_type(body['schema'])}", "", "```json", pretty(body["example"]), "```", "")
    yield from ("| status | meaning | body |", "|---|---|---|")
    errors = []
    for status, answer in operation["responses"].items():
        if status >= FIRST_ERROR:
            errors.append(f"`{status}`")
            continue
        content = answer.get("content", {}).items()
        bodies = (_type(part["schema"]) if "schema" in part else f"`{media}`" for media, part in content)
        yield _row(status, answer["description"], ", ".join(bodies))
    yield from ("", f"Errors: {', '.join(errors)}; see [all errors](../errors.md)." if errors else "", "")


def _schemas(schemas: dict[str, Json]) -> str:
    lines = ["# Schemas", "", "Fields with an asterisk are always there.", ""]
    for name, schema in schemas.items():
        lines += [f"## {name} {{ #{_anchor(name)} }}", "", _prose(schema.get("description", "")), ""]
        if fields := schema.get("properties"):
            lines += [*_fields(fields, schema.get("required", ())), ""]
    return "\n".join(lines)


def _fields(fields: dict[str, Json], required: Collection[str]) -> Iterator[str]:
    """Return a table of fields; meanings have a column if any field has one."""
    rows = [
        (f"`{name}`{'*' if name in required else ''}", _type(own, ""), meaning(own)) for name, own in fields.items()
    ]
    width = 3 if any(row[2] for row in rows) else 2
    yield _row(*("field", "type", "meaning")[:width])
    yield "|---" * width + "|"
    yield from (_row(*row[:width]) for row in rows)


def _type(schema: Json, page: str = "schemas.md") -> str:
    """Describe a schema in words, with links to the schemas that it names."""
    if "$ref" in schema:
        return f"[{kind(schema)}]({page}#{_anchor(kind(schema))})"
    if "anyOf" in schema:
        return " or ".join(_type(option, page) for option in schema["anyOf"])
    if schema.get("type") == "array" and schema.get("items"):
        return f"list of {_type(schema['items'], page)}"
    return _prose(kind(schema))


def _anchor(schema: str) -> str:
    return f"schema-{schema.lower()}"


def _request(operation: Json) -> str:
    mark = " **deprecated**" if "deprecated" in operation else ""
    return f"`{operation['method']} {operation['path']}`{mark}"


def _keys(operation: Json) -> str:
    kinds = len(operation.get("security", ()))
    return ("Needs no key.", "Needs a secret key.")[kinds] if kinds < 2 else "Needs a secret or a publishable key."


def _row(*cells: str) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", r"\|")


def _prose(text: str) -> str:
    """Keep characters of a description from reading as Markdown, outside of backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([<>*_\[\]{}])", r"\\\1", part) for part in parts)
