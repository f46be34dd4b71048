"""Preview: what a draft would have answered, and what that would have done to the reward."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.errors import Conflict, Invalid
from engine.previews.previews import Period
from web.admin.changes.preview_box import PreviewBox, PreviewTopic, box_of, period_of, problems_of
from web.admin.changes.preview_report import DRAFT
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import Form
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page


@get("/rules/{key:str}/-/preview")
async def preview_page(frame: NamedDependency[Frame], key: FromPath[str]) -> Page:
    """Show the preview of a placement's draft."""
    return frame.page("changes/preview.html", await _box(frame, key))


@get("/rules/{key:str}/-/preview/box")
async def preview_box(frame: NamedDependency[Frame], key: FromPath[str]) -> Page:
    """Show the preview alone, while it runs and when it has ended."""
    return frame.page("changes/_preview_box.html", await _box(frame, key))


@post("/rules/{key:str}/-/preview", status_code=200)
async def start_preview(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Try the draft on a period."""
    frame.must_draft()
    values = await typed(request)
    try:
        await frame.engine.previews.start_draft(frame.actor, key, Period(*period_of(frame, values)))
    except (Invalid, Conflict) as refusal:
        box = await _box(frame, key, form=Form(values, problems_of(refusal)))
        status = 200 if frame.is_htmx else 422
        return frame.form("changes/preview.html", "changes/_preview_box.html", box, status=status)
    return await _again(frame, key)


@post("/rules/{key:str}/-/preview/{id:str}/cancel", status_code=200)
async def cancel_preview(frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]) -> Response[Any]:
    """Cancel a running preview."""
    frame.must_draft()
    await frame.engine.previews.cancel(frame.merchant.id, id)
    return await _again(frame, key)


async def _box(frame: Frame, key: str, *, form: Form | None = None) -> PreviewBox:
    configuration, draft = await frame.engine.drafts.load(frame.merchant.id, key)
    last = await frame.engine.previews.newest(frame.merchant.id, key)
    changes = len(draft.changes)
    topic = PreviewTopic(
        title="Preview the draft on past decisions",
        purpose=(
            f"The draft with {frame.show.count(changes, 'change')}, compared with past decisions."
            if changes
            else "The draft has no changes to preview. Change a rule first, or ask what one change would do."
        ),
        base=f"{frame.base}/rules/{key}/-/preview",
        fields={},
        running="Previewing the draft",
        start="Preview",
        compared=DRAFT,
    )
    box = box_of(frame, configuration, key, topic, last, form=form)
    is_old = last is not None and last.subject.revision not in (None, draft.head.revision)
    return replace(box, outdated="The draft has changed since" if is_old else "")


async def _again(frame: Frame, key: str) -> Response[Any]:
    if frame.is_htmx:
        return frame.page("changes/_preview_box.html", await _box(frame, key))
    return frame.go(f"{frame.base}/rules/{key}/-/preview")


handlers = [preview_page, preview_box, start_preview, cancel_preview]
