"""A placement's rules as a file: out, and in again without a character changed."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.errors import EngineError, FieldProblem, Invalid
from engine.model.placement import RuleDocument
from rules import RuleError, loads
from web.admin.rules.draft_rules import load_rules, replace_all
from web.admin.shell.admission import AnyRequest
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.json_text import pretty

MOST_BYTES = 480 * 1024


@get("/rules/{key:str}/-/export")
async def export_rules(frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Send all rules of the placement's draft as a file."""
    rules = await load_rules(frame, key)
    documents = [msgspec.to_builtins(document) for document in rules.documents]
    headers = {"Content-Disposition": f'attachment; filename="rules-{key}.json"', "Cache-Control": "no-store"}
    return Response(pretty({"rules": documents}) + "\n", media_type="application/json", headers=headers)


@post("/rules/{key:str}/-/import", status_code=200)
async def import_rules(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Add the rules of a file, and replace those that are there under the same id; all of them or none."""
    frame.must_draft()
    rules = await load_rules(frame, key)
    try:
        sent = documents_in(await _file_of(request))
        by_id = {document.id: document for document in rules.documents}
        merged = by_id | {document.id: document for document in sent}
        await replace_all(frame, key, list(merged.values()), revision=rules.draft.head.revision)
    except EngineError as error:
        return frame.go(
            f"{frame.base}/rules?placement={key}", notice=Notice(f"Nothing was imported. {error.detail[:500]}")
        )
    text = f"{frame.show.count(len(sent), 'rule')} imported."
    return frame.go(f"{frame.base}/rules?placement={key}", notice=Notice(text))


def documents_in(text: bytes) -> list[RuleDocument]:
    """Read the rules in a file: a list, or an object with the list under `rules`. Raises `Invalid`."""
    try:
        decoded = loads(text, most_bytes=MOST_BYTES)
    except RuleError as error:
        raise Invalid(FieldProblem("file", f"The file {error.problems[0].message}")) from None
    listed = decoded.get("rules") if isinstance(decoded, dict) else decoded
    if not isinstance(listed, list) or not listed:
        raise Invalid(FieldProblem("file", "The file must be a list of rules, or an object with one under “rules”."))
    try:
        return msgspec.convert(listed, list[RuleDocument])
    except msgspec.ValidationError as error:
        raise Invalid(FieldProblem("file", f"A rule of the file cannot be read: {error}")) from None


async def _file_of(request: AnyRequest) -> bytes:
    sent = (await request.form()).get("file")
    return await sent.read() if isinstance(sent, UploadFile) else b""


handlers = [export_rules, import_rules]
