"""How a placement chooses and learns: the form of a new or stored one, its published versions, its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.errors import FieldProblem
from engine.placement import Fixed, One, Placement, Ranking, Split, Subset, Thompson
from engine.store.resources import Resource
from web.admin.door import AnyRequest, typed
from web.admin.editing import Difference, Refused, no_one_else, store, to_document, version_of
from web.admin.forms import Form, Reader, amount_text, number_text
from web.admin.frame import Frame, Notice
from web.admin.render import Page

Options = Sequence[tuple[str, str]]

SHAPES: Options = (
    ("ranking", "Every candidate, in an order"),
    ("one", "One candidate"),
    ("subset", "The first few candidates"),
)
POLICIES: Options = (
    ("thompson", "Learn what works, and show it first more often"),
    ("split", "Fixed shares, for a comparison"),
    ("fixed", "My own order, moved only by rules"),
)
REWARDS: Options = (
    ("converted", "A completed purchase"),
    ("selected", "A choice by the customer"),
    ("margin", "A completed purchase, weighed by its margin"),
)
CREDITS: Options = (
    ("cascade", "Those above the chosen one were seen and passed over"),
    ("first", "Only the first place counts"),
    ("shown", "Everything that was shown counts"),
)
NAMES = {
    "name": "Name",
    "shape": "Answer",
    "limit": "At most",
    "policy": "Choice",
    "floor": "Spread evenly",
    "drawn": "Slots that are drawn",
    "history": "Returning customers' choices",
    "weights": "Shares",
    "reward": "Success",
    "credit": "Credit",
    "window_minutes": "Wait for results",
    "margin_percent": "Margin",
    "typical_amount": "Typical cart",
    "buckets": "Learn separately by",
}
HINTS = {
    "key": "Use letters, digits and _ - . : only, such as payment_methods; at most 64.",
    "name": "Give it a name of at most 120 characters.",
    "window_minutes": "Must lie between 1 minute and 43,200 (30 days).",
    "margin_percent": "Must lie between 0 and 100.",
    "typical_amount": "Must be an amount of at least 0, such as 50.",
    "buckets": "Name at most three fields, such as device.type.",
    "shape": "At most must lie between 1 and 100.",
    "policy": "Spread evenly must lie between 0 and 50, and drawn slots between 1 and 10.",
}
DEFAULTS = {
    "shape": "ranking",
    "limit": "3",
    "policy": "thompson",
    "floor": "1",
    "drawn": "3",
    "history": "on",
    "reward": "converted",
    "credit": "cascade",
    "window_minutes": "60",
    "margin_percent": "30",
}


@dataclass(frozen=True)
class Version:
    """A published plan version."""

    number: int
    published_at: int
    published_by: str
    in_force: bool


@dataclass(frozen=True)
class SettingsPage:
    """The form; `placement` is None while it is new."""

    title: str
    action: str
    base: str
    placement: Placement | None
    form: Form
    deletion: Form
    versions: Sequence[Version]
    currency: str
    saved: bool
    theirs: list[Difference]
    shapes: Options = SHAPES
    policies: Options = POLICIES
    rewards: Options = REWARDS
    credits: Options = CREDITS


@get("/placements/new")
async def new_placement(frame: NamedDependency[Frame], key: FromQuery[str] = "") -> Page:
    """A form with the usual choices made."""
    frame.must_edit()
    name = "Payment methods" if key == "payment_methods" else ""
    typical = amount_text(5000, frame.merchant.currency)
    return frame.page(
        "placement_settings.html", _new(frame, Form({**DEFAULTS, "key": key, "name": name, "typical_amount": typical}))
    )


@post("/placements/new", status_code=200)
async def create_placement(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Store a new placement, and go on to its candidates."""
    frame.must_edit()
    values = await typed(request)

    async def write() -> Resource:
        document = document_of(values, frame.merchant.currency)
        return (await frame.engine.catalogue.create(frame.merchant.id, frame.who, "placement", "", [document]))[0]

    try:
        created = await store(values, write, no_one_else, names=NAMES)
    except Refused as refusal:
        page = _new(frame, refusal.form)
        return frame.form("placement_settings.html", "_placement_form.html", page, status=refusal.status)
    notice = Notice(f"{created.document.name} is set up. Add what may be chosen there.")
    return frame.go(f"/admin/placements/{created.id}", notice=notice)


@get("/placements/{key:str}/settings")
async def settings_page(frame: NamedDependency[Frame], key: FromPath[str]) -> Page:
    """The form of a stored placement."""
    stored = await frame.engine.catalogue.get(frame.merchant.id, "placement", "", key)
    form = Form(texts_of(stored, frame.merchant.currency))
    return frame.page("placement_settings.html", await _stored(frame, stored, form))


@post("/placements/{key:str}/settings", status_code=200)
async def save_settings(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Store what was edited, unless someone else was faster."""
    frame.must_edit()
    values = await typed(request) | {"key": key}
    catalogue, currency = frame.engine.catalogue, frame.merchant.currency
    stored = await catalogue.get(frame.merchant.id, "placement", "", key)

    async def write() -> Resource:
        document = document_of(values, currency)
        return await catalogue.update(
            frame.merchant.id, frame.who, "placement", "", key, document, version=version_of(values)
        )

    async def saved_now() -> Mapping[str, str]:
        return texts_of(await catalogue.get(frame.merchant.id, "placement", "", key), currency)

    try:
        saved = await store(values, write, saved_now, names=NAMES)
    except Refused as refusal:
        page = await _stored(frame, stored, refusal.form, theirs=refusal.theirs)
        return frame.form("placement_settings.html", "_placement_form.html", page, status=refusal.status)
    page = await _stored(frame, saved, Form(texts_of(saved, currency)), saved=True)
    return frame.form("placement_settings.html", "_placement_form.html", page)


@post("/placements/{key:str}/roll-back", status_code=200)
async def roll_back(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Put an earlier version in force; what is edited stays as it is, and the next save publishes it again."""
    frame.must_edit()
    version = version_of(await typed(request))
    await frame.engine.catalogue.roll_back(frame.merchant.id, frame.who, key, version)
    notice = Notice(f"Version {version} is in force. The next saved change publishes what is edited now.")
    return frame.go(f"/admin/placements/{key}/settings", notice=notice)


@post("/placements/{key:str}/delete", status_code=200)
async def delete_placement(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Delete a placement with all that is in it, once its key was typed."""
    frame.must_edit()
    values = await typed(request)
    stored = await frame.engine.catalogue.get(frame.merchant.id, "placement", "", key)
    if values.get("confirm", "").strip() != key:
        deletion = Form(values).with_problems([FieldProblem("confirm", f"type {key}, then delete")])
        page = await _stored(frame, stored, Form(texts_of(stored, frame.merchant.currency)), deletion=deletion)
        return frame.page("placement_settings.html", page, status=422)
    await frame.engine.catalogue.delete(frame.merchant.id, frame.who, "placement", "", key, version=version_of(values))
    return frame.go("/admin/placements", notice=Notice(f"{stored.document.name} is deleted."))


def document_of(values: Mapping[str, str], currency: str) -> Placement:
    """The placement that a form describes; raises `Invalid` with every problem of its texts."""
    reader = Reader(values)
    texts: dict[str, Any] = {
        "key": reader.text("key", required="Give it a key, such as payment_methods"),
        "name": reader.text("name", required="Give it a name"),
        "shape": _shape(reader),
        "policy": _policy(reader),
        "reward": reader.text("reward"),
        "credit": reader.text("credit"),
        "buckets": reader.words("buckets"),
        "window_minutes": reader.integer("window_minutes", default=60),
        "margin_percent": reader.decimal("margin_percent", default=30.0),
        "typical_amount": reader.money("typical_amount", currency) or 0,
    }
    reader.check()
    return to_document(texts, Placement, hints=HINTS)


def _shape(reader: Reader) -> dict[str, Any]:
    kind = reader.text("shape") or "ranking"
    return {"type": kind, "limit": reader.integer("limit", default=3)} if kind == "subset" else {"type": kind}


def _policy(reader: Reader) -> dict[str, Any]:
    kind = reader.text("policy") or "thompson"
    if kind == "thompson":
        floor = round(reader.decimal("floor") / 100, 9)
        return {
            "type": kind,
            "floor": floor,
            "drawn": reader.integer("drawn", default=3),
            "history": reader.flag("history"),
        }
    return {"type": kind, "weights": _weights(reader)} if kind == "split" else {"type": kind}


def _weights(reader: Reader) -> dict[str, float]:
    weights: dict[str, float] = {}
    for line in reader.lines("weights"):
        name, _, number = line.replace("=", " ").replace(":", " ").rpartition(" ")
        try:
            weights[name.strip()] = float(number.replace(",", "."))
        except ValueError:
            reader.problems.append(FieldProblem("weights", f"“{line}” should read like: card 50"))
    return weights


def texts_of(stored: Resource, currency: str) -> dict[str, str]:
    """A stored placement as its form shows it."""
    placement: Placement = stored.document
    return {
        **DEFAULTS,
        "key": placement.key,
        "name": placement.name,
        **_shape_texts(placement),
        **_policy_texts(placement),
        "reward": placement.reward,
        "credit": placement.credit,
        "buckets": ", ".join(placement.buckets),
        "window_minutes": str(placement.window_minutes),
        "margin_percent": number_text(placement.margin_percent),
        "typical_amount": amount_text(placement.typical_amount, currency),
        "version": str(stored.version),
    }


def _shape_texts(placement: Placement) -> dict[str, str]:
    match placement.shape:
        case One():
            return {"shape": "one"}
        case Ranking():
            return {"shape": "ranking"}
        case Subset(limit):
            return {"shape": "subset", "limit": str(limit)}


def _policy_texts(placement: Placement) -> dict[str, str]:
    match placement.policy:
        case Fixed():
            return {"policy": "fixed"}
        case Split(weights):
            lines = [f"{name} {number_text(weight)}" for name, weight in weights.items()]
            return {"policy": "split", "weights": "\n".join(lines)}
        case Thompson(floor, drawn, history):
            return {
                "policy": "thompson",
                "floor": number_text(floor * 100),
                "drawn": str(drawn),
                "history": "on" if history else "",
            }


def _new(frame: Frame, form: Form) -> SettingsPage:
    return SettingsPage(
        title="New placement",
        action="/admin/placements/new",
        base="/admin/placements",
        placement=None,
        form=form,
        deletion=Form(),
        versions=(),
        currency=frame.merchant.currency,
        saved=False,
        theirs=[],
    )


async def _stored(
    frame: Frame,
    stored: Resource,
    form: Form,
    *,
    deletion: Form | None = None,
    saved: bool = False,
    theirs: list[Difference] | None = None,
) -> SettingsPage:
    base = f"/admin/placements/{stored.id}"
    return SettingsPage(
        title=f"{stored.document.name}: settings",
        action=f"{base}/settings",
        base=base,
        placement=stored.document,
        form=form,
        deletion=deletion or Form(),
        versions=await _versions(frame, stored.id),
        currency=frame.merchant.currency,
        saved=saved,
        theirs=theirs or [],
    )


async def _versions(frame: Frame, key: str) -> list[Version]:
    active = frame.engine.live.get(frame.merchant.id, key)
    history = await frame.engine.catalogue.versions(frame.merchant.id, key)
    in_force = active.plan.version if active else 0
    return [Version(number, at, by, number == in_force) for number, at, by in history[:20]]
