"""docs/http-api.md and docs/errors.md say what happens: their examples run in their order, and tables are complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.serving import Server, Side
from web.http.problem_details import KINDS, KINDS_BY_STATUS

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "http-api.md").read_text() + (DOCS / "errors.md").read_text()
NAME = re.compile(r"\$([a-z]+)")


class Example(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: str
    status: int
    answer: str


def examples(text: str = TEXT) -> Iterator[Example]:
    for block in re.findall(r"```http\n(.*?)```", text, re.DOTALL):
        request, _, answer = block.partition("\n-> ")
        first, *rest = request.split("\n")
        method, path = first.split(" ")
        headers = {}
        while rest and re.match(r"[A-Za-z-]+: ", rest[0]):
            name, _, value = rest.pop(0).partition(": ")
            headers[name] = value
        status, _, body = answer.partition(" ")
        yield Example(method, path, headers, "\n".join(rest), int(status), body)


def filled(text: str, values: dict[str, Any], *, quoted: bool) -> str:
    """The text with the values of names; one that is not known yet stays, quoted where it is JSON."""

    def value(match: re.Match[str]) -> str:
        known_value = values.get(match[1], match[0])
        return json.dumps(known_value) if quoted else str(known_value)

    return NAME.sub(value, text)


def compare(documented: Any, got: Any, values: dict[str, Any], path: str) -> None:
    """Check that the answer contains the documented value; an unset name takes the value of the answer."""
    if isinstance(documented, dict):
        for name, value in documented.items():
            assert name in got, f"{path}: no {name} in {got}"
            compare(value, got[name], values, f"{path}/{name}")
    elif isinstance(documented, list):
        assert len(got) >= len(documented), f"{path}: {got}"
        assert got or not documented, path
        assert not got or documented, f"{path}: {got}"
        for number, value in enumerate(documented):
            compare(value, got[number], values, f"{path}/{number}")
    elif isinstance(documented, str) and documented.startswith("$"):
        values[documented[1:]] = got
    else:
        assert documented == got, path


def run(example: Example, side: Side, values: dict[str, Any]) -> None:
    path = filled(example.path, values, quoted=False)
    headers = {name: filled(value, values, quoted=False) for name, value in example.headers.items()}
    content = filled(example.body, values, quoted=True) or None
    answer = side.client.request(example.method, path, content=content, headers=headers)
    where = f"{example.method} {example.path}"
    assert answer.status_code == example.status, f"{where}: {answer.text}"
    if example.answer.strip():
        compare(json.loads(filled(example.answer, values, quoted=True)), answer.json(), values, where)


def test_examples_of_the_docs_work(server: Server):
    side, _ = server.sides()
    learned: dict[str, Any] = {"secret": side.key}
    count = 0
    for example in examples():
        run(example, side, learned)
        count += 1
    assert count >= 28


def test_the_table_of_errors_names_every_kind():
    reports = {(int(status), kind) for status, kind in re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", TEXT, re.MULTILINE)}
    own = {(status, kind) for status, kind, _ in KINDS.values()} | set(KINDS_BY_STATUS.items()) | {(500, "unexpected")}
    assert reports == own


def test_every_collection_of_operations_has_an_example(server: Server):
    tried = {re.sub(r"\?.*", "", example.path) for example in examples()}
    missing = []
    for path in server.openapi["paths"]:
        pattern = re.sub(r"\{[a-z_]+\}", "[^/]+", path)
        if not any(re.fullmatch(pattern, item) for item in tried):
            missing.append(path)
    assert set(missing) <= {"/healthz", "/metrics", "/v1/placements/{placement}", "/v1/vocabulary/{name}"} | {
        "/v1/placements/{placement}/rules/{id}",
        "/v1/placements/{placement}/draft/settings/keep",
        "/v1/placements/{placement}/experiments/{id}",
        "/v1/placements/{placement}/experiments/{id}/ask",
        "/v1/placements/{placement}/experiments/{id}/send-back",
        "/v1/placements/{placement}/experiments/{id}/resume",
        "/v1/placements/{placement}/experiments/{id}/stop",
        "/v1/placements/{placement}/experiments/{id}/archive",
        "/v1/placements/{placement}/experiments/{id}/restore",
        "/v1/placements/{placement}/draft/candidates/{id}/keep",
        "/v1/placements/{placement}/draft/vocabulary/{name}/keep",
        "/v1/placements/{placement}/draft/lists/{name}/keep",
        "/v1/placements/{placement}/draft/budgets/{id}/keep",
        # Streams without an end.
        "/ofrep/v1/events/{client_key}",
        "/sub/{client_key}",
    }
