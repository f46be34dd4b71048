"""Find what in an OpenAPI document breaks clients of an earlier one.

Run `python -m benchmarks.api_changes` at a release: it keeps the document that the server has then, with which
`tests/test_api_changes.py` compares later ones.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

from benchmarks.process import ROOT
from web.openapi.deprecation_marks import SUNSET

Json = dict[str, Any]
Direction = Literal["request", "response"]
RELEASED = ROOT / "tests" / "fixtures" / "openapi_released.json.gz"
LIMITS = (
    ("minLength", 1),
    ("minItems", 1),
    ("minProperties", 1),
    ("minimum", 1),
    ("exclusiveMinimum", 1),
    ("maxLength", -1),
    ("maxItems", -1),
    ("maxProperties", -1),
    ("maximum", -1),
    ("exclusiveMaximum", -1),
)
"""Keywords that bound values, from below (1) or above (-1)."""
ANYTHING: Json = {}


def released() -> Json:
    """Return the document of the last release."""
    document: Json = json.loads(gzip.decompress(RELEASED.read_bytes()))
    return document


def keep(document: Json) -> None:
    """Store a document as that of the last release, without what clients do not depend on."""
    text = json.dumps(without_words(document), sort_keys=True)
    RELEASED.write_bytes(gzip.compress(text.encode(), mtime=0))


def without_words(node: Any) -> Any:
    """Return a document without texts for people and examples."""
    if isinstance(node, list):
        return [without_words(value) for value in node]
    if not isinstance(node, dict):
        return node
    return {
        name: without_words(value)
        for name, value in node.items()
        if not (name in ("description", "summary") and isinstance(value, str)) and name != "example"
    }


def breaking(old: Json, new: Json, today: date) -> list[str]:
    """Return what no longer works as in the old document, each with its operation and path.

    What the old document marks as deprecated may be gone from the day that it names.
    """
    problems: list[str] = []
    for path, methods in old["paths"].items():
        for method, operation in methods.items():
            name = f"{method.upper()} {path}"
            changed = new["paths"].get(path, {}).get(method)
            if changed is not None:
                schemas = _Schemas(old, new, today)
                problems += (f"{name}: {problem}" for problem in _operation(schemas, operation, changed))
            elif not _has_ended(operation, today):
                problems.append(f"{name}: is gone")
    return problems


def _has_ended(part: Json, today: date) -> bool:
    """Return whether an operation, a parameter or a field was announced to work no longer than until today."""
    return bool(part.get("deprecated")) and date.fromisoformat(part[SUNSET]) <= today


def _operation(schemas: _Schemas, old: Json, new: Json) -> Iterator[str]:
    if any(key not in new["security"] for key in old["security"]) or (new["security"] and not old["security"]):
        yield "allows fewer kinds of keys"
    yield from _parameters(schemas, old, new)
    yield from _body(schemas, old.get("requestBody"), new.get("requestBody"))
    for status, answer in old["responses"].items():
        if status not in new["responses"]:
            if status < "400":
                yield f"{status} is no longer answered"
            continue
        changed = new["responses"][status]
        for header in sorted(set(answer.get("headers", ())) - set(changed.get("headers", ()))):
            yield f"{status}: the header {header} is gone"
        for media, content in answer.get("content", {}).items():
            if media not in changed.get("content", {}):
                yield f"{status}: {media} is gone"
                continue
            schema, other = content.get("schema", ANYTHING), changed["content"][media].get("schema", ANYTHING)
            yield from schemas.differences(schema, other, "response", status)


def _parameters(schemas: _Schemas, old: Json, new: Json) -> Iterator[str]:
    before, after = ({(each["in"], each["name"]): each for each in side.get("parameters", ())} for side in (old, new))
    for identity, parameter in before.items():
        if identity not in after:
            if not _has_ended(parameter, schemas.today):
                yield f"the parameter {identity[1]} is gone"
            continue
        yield from schemas.differences(parameter["schema"], after[identity]["schema"], "request", identity[1])
    for identity, parameter in after.items():
        if parameter.get("required") and not before.get(identity, {}).get("required"):
            yield f"the parameter {identity[1]} became required"


def _body(schemas: _Schemas, old: Json | None, new: Json | None) -> Iterator[str]:
    if new is not None and new.get("required") and not (old or {}).get("required"):
        yield "a body became required"
    if old is None or new is None:
        return
    for media, content in old["content"].items():
        if media in new["content"]:
            yield from schemas.differences(content["schema"], new["content"][media]["schema"], "request", "body")
        else:
            yield f"body: {media} is no longer read"


class _Schemas:
    """Compares schemas of two documents; the same two once, because schemas refer to each other and to themselves."""

    def __init__(self, old: Json, new: Json, today: date) -> None:
        self.today = today
        self._old, self._new = (side["components"]["schemas"] for side in (old, new))
        self._seen: set[tuple[str, str, Direction]] = set()

    def differences(self, old: Json, new: Json, direction: Direction, path: str) -> list[str]:
        """Return what breaks: a request that is refused now, or a response that was not possible before."""
        compared = (str(old), str(new), direction)
        if compared in self._seen:
            return []
        self._seen.add(compared)
        before, after = _options(old, self._old), _options(new, self._new)
        if len(before) == len(after) == 1:
            return self._single(before[0], after[0], direction, path)
        # What had to work is in each option before, for requests; what may come is in each option after, for responses.
        needed, offered = (before, after) if direction == "request" else (after, before)
        problems = []
        for option in needed:
            namesake = next((other for other in offered if other.get("title", "") == option.get("title")), None)
            if namesake is not None:
                pair = (option, namesake) if direction == "request" else (namesake, option)
                problems += self._single(*pair, direction, path)
            elif not any(self._fits(option, other, direction) for other in offered):
                verb = "no longer takes" if direction == "request" else "may also be"
                problems.append(f"{path}: {verb} {_named(option)}")
        return problems

    def _fits(self, needed: Json, offered: Json, direction: Direction) -> bool:
        seen = set(self._seen)
        old, new = (needed, offered) if direction == "request" else (offered, needed)
        fits = not self._single(old, new, direction, "")
        if not fits:
            self._seen = seen
        return fits

    def _single(self, old: Json, new: Json, direction: Direction, path: str) -> list[str]:
        narrow, wide = (new, old) if direction == "request" else (old, new)
        problems = []
        # `narrow` is what may not be narrower than `wide`: for requests the new schema, for responses the old one.
        if not _types(wide) <= _types(narrow):
            problems.append(f"{path}: was {_named(old)} and is {_named(new)}")
            return problems
        if direction == "request":
            problems += (f"{path}: {problem}" for problem in _narrowed(old, new))
        problems += self._properties(old, new, direction, path)
        for name in ("items", "additionalProperties"):
            parts = [side.get(name, ANYTHING) for side in (old, new)]
            if any(parts) and all(isinstance(part, dict) for part in parts):
                problems += self.differences(*parts, direction, f"{path}/*")
        return problems

    def _properties(self, old: Json, new: Json, direction: Direction, path: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, schema in before.items():
            if name in after:
                yield from self.differences(schema, after[name], direction, f"{path}/{name}")
            elif not _has_ended(schema, self.today):
                yield f"{path}/{name}: is gone"
        required, now = set(old.get("required", ())), set(new.get("required", ()))
        if direction == "request":
            yield from (f"{path}/{name}: became required" for name in sorted(now - required))
        else:
            yield from (f"{path}/{name}: may be missing" for name in sorted((required - now) & after.keys()))


def _options(schema: Json, components: Json) -> list[Json]:
    """Return the alternatives of a schema, with references followed."""
    if "$ref" in schema:
        return _options(components[schema["$ref"].rpartition("/")[2]], components)
    if "anyOf" in schema:
        return [option for each in schema["anyOf"] for option in _options(each, components)]
    return [schema]


def _types(schema: Json) -> set[str]:
    kinds = schema.get("type", [])
    types = set(kinds if isinstance(kinds, list) else [kinds])
    if not types:
        values = {type(value) for value in schema.get("enum", ())}
        types = {"string"} if values == {str} else {"array", "boolean", "integer", "null", "number", "object", "string"}
    return types | ({"integer"} if "number" in types else set())


def _narrowed(old: Json, new: Json) -> Iterator[str]:
    """Yield by which of its keywords a schema allows less than before."""
    if "enum" in new:
        missing = [value for value in old.get("enum", ("others",)) if value not in new["enum"]]
        if missing:
            yield f"no longer takes {', '.join(map(str, missing))}"
    for name, sign in LIMITS:
        if name in new and (name not in old or (new[name] - old[name]) * sign > 0):
            yield f"{name} is {new[name]} and was {old.get(name, 'not limited')}"
    for name in ("pattern", "format"):
        if name in new and new[name] != old.get(name):
            yield f"{name} is new or another one"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        yield "other fields are refused"


def _named(schema: Json) -> str:
    values: Sequence[Any] = schema.get("enum", ())
    return "/".join(map(str, values)) or schema.get("title") or "/".join(sorted(_types(schema)))


def main() -> None:
    from tests import before

    with tempfile.TemporaryDirectory() as folder:
        keep(json.loads(before.openapi(Path(folder))))
    print(f"{RELEASED.name} is the document that the server has now")


if __name__ == "__main__":
    main()
