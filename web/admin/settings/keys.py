"""API keys: made and shown once, rotated with an overlap, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.clock import now_ms
from engine.model.account import Key
from engine.model.errors import Conflict, FieldProblem, Invalid, NotFound
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page

TWICE_WITHIN_MS = 10_000
"""A form that is sent again so soon, such as by a double click, is the same form."""
OVERLAPS = (("0", "At once"), ("1", "1 hour"), ("24", "1 day"), ("168", "7 days"), ("720", "30 days"))


@dataclass(frozen=True)
class KeyRow:
    """A key; its secret part is not kept."""

    id: str
    name: str
    kind: str
    hint: str
    created_at: int
    expires_at: int | None
    is_over: bool


@dataclass(frozen=True)
class KeysPage:
    """The keys, and the plain text of one that was just made: it is shown this once."""

    keys: Sequence[KeyRow]
    form: Form
    plain: str
    plain_for: str
    overlaps: Sequence[tuple[str, str]] = OVERLAPS


@get("/keys")
async def keys_page(frame: NamedDependency[Frame]) -> Page:
    """Show the list of keys."""
    return await _page(frame)


@post("/keys", status_code=200)
async def create_key(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Make a key and show it."""
    frame.must_administer()
    reader = Reader(await typed(request))
    name, kind = reader.text("name", required="Say where the key will be used"), reader.text("kind")
    try:
        reader.check()
        key, plain = await frame.engine.accounts.create_key(frame.merchant, kind, name, actor_name=frame.actor.name)  # type: ignore[arg-type]
    except Invalid as error:
        return await _page(frame, Form(reader.values).with_problems(error.problems), status=422)
    await _revoke_unseen(frame, key)
    return await _page(frame, plain=plain, plain_for=key.name)


@post("/keys/{key_id:str}/rotate", status_code=200)
async def rotate_key(request: AnyRequest, frame: NamedDependency[Frame], key_id: FromPath[str]) -> Response[Any]:
    """Make a successor and show it; the old key goes on for a while."""
    frame.must_administer()
    hours = Reader(await typed(request)).integer("overlap", default=24)
    key, plain = await frame.engine.accounts.rotate_key(
        frame.merchant, key_id, overlap_hours=hours, actor_name=frame.actor.name
    )
    return await _page(frame, plain=plain, plain_for=key.name)


@post("/keys/{key_id:str}/revoke", status_code=200)
async def revoke_key(request: AnyRequest, frame: NamedDependency[Frame], key_id: FromPath[str]) -> Response[Any]:
    """Revoke a key if its last four characters were typed. This cannot be undone."""
    frame.must_administer()
    values = await typed(request)
    key = await _own(frame, key_id)
    if values.get("confirm", "").strip() != key.hint[-4:]:
        field = f"confirm-{key_id}"
        problem = FieldProblem(field, f"type {key.hint[-4:]}, the end of the key, to confirm")
        return await _page(frame, Form({field: values.get("confirm", "")}).with_problems([problem]), status=422)
    await frame.engine.accounts.revoke_key(frame.merchant, key_id, actor_name=frame.actor.name)
    return frame.go(f"{frame.base}/keys", notice=Notice(f"The key “{key.name}” is revoked and no longer accepted."))


async def _revoke_unseen(frame: Frame, newest: Key) -> None:
    """Revoke the keys of the same form, sent twice: the browser shows the last answer only, so nobody has seen them."""
    oldest, form = newest.created_at - TWICE_WITHIN_MS, (newest.kind, newest.name, newest.created_by)
    for key in await frame.engine.accounts.keys(frame.merchant.id):
        is_twin = key.expires_at is None and (key.kind, key.name, key.created_by) == form
        if is_twin and oldest < key.created_at and (key.created_at, key.id) < (newest.created_at, newest.id):
            with suppress(Conflict, NotFound):
                await frame.engine.accounts.revoke_key(frame.merchant, key.id, actor_name=frame.actor.name)


async def _own(frame: Frame, key_id: str) -> Key:
    for key in await frame.engine.accounts.keys(frame.merchant.id):
        if key.id == key_id:
            return key
    raise NotFound(f"there is no key “{key_id}”", field="id")


async def _page(
    frame: Frame, form: Form | None = None, *, plain: str = "", plain_for: str = "", status: int = 200
) -> Page:
    now = now_ms()
    keys = [_row(key, now) for key in await frame.engine.accounts.keys(frame.merchant.id)]
    keys.sort(key=lambda row: (row.is_over, -row.created_at))
    page = KeysPage(keys, form or Form({"kind": "secret"}), plain, plain_for)
    return frame.page("settings/keys.html", page, status=status)


def _row(key: Key, now: int) -> KeyRow:
    is_over = key.expires_at is not None and key.expires_at <= now
    return KeyRow(key.id, key.name, key.kind, key.hint, key.created_at, key.expires_at, is_over)


handlers = [keys_page, create_key, rotate_key, revoke_key]
