"""What holds for all offers: the most that they take off one order, and for how long an answer stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency

from engine.model.documents.offer import OrderLimits
from engine.model.placement import Placement
from engine.model.resource import Resource
from web.admin.offers.offer_texts import PLACEMENT
from web.admin.shell import saving
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import Difference, Refused, store, to_document, version_of
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page
from web.typed_money import amounts_text

WHOLE, FORM = "offers/order_limits.html", "offers/_order_limits_form.html"
NAMES = {"most_off": "Most off one order", "same_answer_minutes": "Same offers for"}
FIELDS = {f"order_limits/{name}": name for name in NAMES}
HINTS = {
    "most_off": "Must be an amount of more than 0, such as 30.",
    "same_answer_minutes": "Must be a whole number from 0 to 60.",
}


@dataclass(frozen=True)
class OrderLimitsPage:
    """The form of the limits."""

    base: str
    action: str
    form: Form
    saved: bool
    conflicts: Sequence[Difference]
    currency: str


@get("/offers/-/limits")
async def limits_page(frame: NamedDependency[Frame]) -> Page:
    """Show the limits of all offers."""
    stored = await saving.read(frame, "placement", PLACEMENT, PLACEMENT)
    return frame.page(WHOLE, _page(frame, Form(_texts(stored, frame))))


@post("/offers/-/limits", status_code=200)
async def save_limits(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Store the limits, unless someone else was faster."""
    frame.must_change()
    values = await typed(request)
    before = await saving.read(frame, "placement", PLACEMENT, PLACEMENT)

    async def write() -> Resource:
        document = msgspec.structs.replace(before.document, order_limits=_limits(values, frame))
        return await saving.update(frame, PLACEMENT, document, version=version_of(values))

    async def saved_now() -> Mapping[str, str]:
        return _texts(await saving.read(frame, "placement", PLACEMENT, PLACEMENT), frame)

    try:
        saved = await store(values, write, saved_now, names=NAMES, form_fields=FIELDS)
    except Refused as refusal:
        page = _page(frame, refusal.form, conflicts=refusal.conflicts)
        return frame.form(WHOLE, FORM, page, status=refusal.status)
    return frame.form(WHOLE, FORM, _page(frame, Form(_texts(saved, frame)), saved=True))


def _limits(values: Mapping[str, str], frame: Frame) -> OrderLimits:
    reader = Reader(values, frame.show.locale)
    texts = {
        "most_off": reader.money("most_off", frame.merchant.currency),
        "same_answer_minutes": reader.integer("same_answer_minutes", default=OrderLimits().same_answer_minutes),
    }
    reader.check()
    return to_document(texts, OrderLimits, hints=HINTS)


def _texts(stored: Resource, frame: Frame) -> dict[str, str]:
    placement: Placement = stored.document
    limits = placement.order_limits
    return {
        "most_off": amounts_text(limits.most_off, frame.merchant.currency, frame.show.locale),
        "same_answer_minutes": str(limits.same_answer_minutes),
        "version": str(stored.version),
    }


def _page(frame: Frame, form: Form, *, saved: bool = False, conflicts: Sequence[Difference] = ()) -> OrderLimitsPage:
    base = f"{frame.base}/offers"
    return OrderLimitsPage(base, f"{base}/-/limits", form, saved, conflicts, frame.merchant.currency)


handlers = [limits_page, save_limits]
