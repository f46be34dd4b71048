"""Retention: after how many days the merchant's data is deleted, and what a shorter time would delete now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from litestar import Response, get, post
from litestar.di import NamedDependency

from engine.clock import now_ms
from engine.customers.retention import KindInForce, KindPreview, RetentionInForce
from engine.model.documents.retention import KINDS, LONGEST, RetentionKind, RetentionPolicy
from engine.model.errors import FieldProblem, Invalid
from engine.model.timestamps import DAY
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import Difference, Refused, store, to_document, version_of
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page
from web.format import Show

TEMPLATE = "customers/retention.html"
TITLES: dict[RetentionKind, tuple[str, str]] = {
    "decisions": (
        "Decisions and outcomes",
        "With the facts of each checkout, customers' histories, and who saw which variant of an experiment.",
    ),
    "preference_versions": (
        "Earlier preferences",
        "Versions that a customer has replaced. The one in force and the proof of consent stay.",
    ),
    "inactive_customers": (
        "Inactive customers",
        "Preferences and linked ids of customers who did not come back. Refusals stay, and consents as proof for three "
        "years.",
    ),
    "webhook_deliveries": (
        "Log of webhooks",
        "Which events were sent to your endpoints, and how these answered. What waits to be sent stays.",
    ),
    "mails": ("Log of mails", "Which reports and alerts were sent to whom. What waits to be sent stays."),
}
PARTS = {
    "decisions": ("decision", "decisions"),
    "outcomes": ("outcome", "outcomes"),
    "history": ("row of customers' histories", "rows of customers' histories"),
    "observations": ("observation for learning", "observations for learning"),
    "experiment_units": ("row about units of experiments", "rows about units of experiments"),
    "preference_versions": ("version", "versions"),
    "customers": ("customer", "customers"),
    "webhook_deliveries": ("delivery", "deliveries"),
    "mails": ("mail", "mails"),
}
UNCONFIRMED = "Tick this to delete the data, or enter more days."


@dataclass(frozen=True)
class KindView:
    """A kind of data: how long it is kept in words, who says so, and what its field may contain."""

    kind: RetentionKind
    title: str
    about: str
    duration: str
    is_own: bool
    range: str
    usual: str


@dataclass(frozen=True)
class LossView:
    """Data of a kind that would be deleted: the day before which it was stored, its parts, and its oldest day."""

    title: str
    before: str
    parts: Sequence[str]
    oldest: str


class ShownLosses(NamedTuple):
    """The rows that would be deleted, if somebody asked, and the days that the question was about."""

    losses: Sequence[KindPreview] | None
    shown: str


NOTHING_SHOWN = ShownLosses(None, "")


@dataclass(frozen=True)
class RetentionPage:
    """The form, and what would be deleted; `losses` is None as long as nobody asked. `shown` names what was asked."""

    base: str
    action: str
    form: Form
    kinds: Sequence[KindView]
    losses: Sequence[LossView] | None = None
    shown: str = ""
    conflicts: Sequence[Difference] = ()


@get("/customers/retention")
async def retention_page(frame: NamedDependency[Frame]) -> Page:
    """Show how long each kind is kept."""
    stored = await frame.engine.retention.get(frame.merchant.id)
    return _page(frame, stored, Form(_texts(stored)))


@post("/customers/retention", status_code=200)
async def save_retention(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Store the days. What would be deleted is shown first, and must be confirmed as it was shown."""
    frame.must_administer()
    values, service = await typed(request), frame.engine.retention
    stored = await service.get(frame.merchant.id)
    try:
        policy = _policy(values, stored, frame.show)
        losses = await service.losses(frame.merchant.id, policy)
    except Invalid as error:
        return _page(frame, stored, Form(values).with_problems(error.problems), status=422)
    shown = _shown(policy)
    is_confirmed = values.get("confirm") == "on" and values.get("shown") == shown
    if values.get("act") == "preview" or (losses and not is_confirmed):
        return _confirmed(frame, stored, values, ShownLosses(losses, shown))

    async def write() -> RetentionInForce:
        return await service.replace(frame.actor, policy, confirmed=is_confirmed, version=version_of(values))

    async def saved_now() -> Mapping[str, str]:
        return _texts(await service.get(frame.merchant.id))

    try:
        await store(values, write, saved_now, names={kind: title for kind, (title, _) in TITLES.items()})
    except Refused as refusal:
        return _page(frame, stored, refusal.form, conflicts=refusal.conflicts, status=refusal.status)
    text = "The server begins to delete within an hour." if losses else "Nothing is to be deleted now."
    return frame.go(f"{frame.base}/customers/retention", notice=Notice(f"The retention is saved. {text}"))


def _confirmed(frame: Frame, stored: RetentionInForce, values: Mapping[str, str], shown_losses: ShownLosses) -> Page:
    """Show what would be deleted; a tick that was made for other days does not count."""
    was_shown = values.get("shown") == shown_losses.shown and values.get("act") != "preview"
    form = Form({**values, "confirm": ""})
    if was_shown and shown_losses.losses:
        form = form.with_problems([FieldProblem("confirm", UNCONFIRMED)])
    return _page(frame, stored, form, shown_losses=shown_losses, status=422 if was_shown else 200)


def _policy(values: Mapping[str, str], stored: RetentionInForce, show: Show) -> RetentionPolicy:
    """Return the days that were typed; raise `Invalid` with the problem of every field."""
    reader = Reader(values)
    texts: dict[str, int] = {kind: reader.integer(kind) for kind in KINDS if reader.text(kind)}
    wrong = {problem.field for problem in reader.problems}
    hints: dict[str, str] = {kind: f"Must be {_range(stored.kinds[kind], show)}, or empty." for kind in KINDS}
    reader.problems = [FieldProblem(problem.field, hints[problem.field]) for problem in reader.problems]
    days = {kind: number for kind, number in texts.items() if kind not in wrong}
    policy = to_document(days, RetentionPolicy, hints=hints, problems=reader.problems)
    too_long = [
        FieldProblem(kind, hints[kind])
        for kind in KINDS
        if (policy.days(kind) or 0) > (stored.kinds[kind].server or LONGEST)
    ]
    if too_long:
        raise Invalid(*too_long)
    return policy


def _page(
    frame: Frame,
    stored: RetentionInForce,
    form: Form,
    *,
    shown_losses: ShownLosses = NOTHING_SHOWN,
    conflicts: Sequence[Difference] = (),
    status: int = 200,
) -> Page:
    base = f"{frame.base}/customers"
    kinds = [_kind(each, frame.show) for each in stored.kinds.values()]
    views = None if shown_losses.losses is None else [_loss(each, frame.show) for each in shown_losses.losses]
    page = RetentionPage(base, f"{base}/retention", form, kinds, views, shown_losses.shown, conflicts)
    return frame.page(TEMPLATE, page, status=status)


def _kind(kind: KindInForce, show: Show) -> KindView:
    title, about = TITLES[kind.kind]
    usual = "kept for good" if kind.server is None else show.number(kind.server)
    duration = "For good" if kind.days is None else show.count(kind.days, "day")
    return KindView(kind.kind, title, about, duration, kind.own is not None, _range(kind, show), usual)


def _range(kind: KindInForce, show: Show) -> str:
    longest = kind.server or LONGEST
    fewest = f"{kind.shortest} to " if longest > kind.shortest else ""
    return f"{fewest}{show.count(longest, 'day')}"


def _loss(preview: KindPreview, show: Show) -> LossView:
    parts = [
        ("" if part.is_exact else "more than ") + show.count(part.rows, *PARTS[name])
        for name, part in preview.parts.items()
        if part.rows
    ]
    return LossView(
        TITLES[preview.kind][0], show.day(now_ms() - preview.days * DAY), parts, show.day(preview.oldest_at)
    )


def _texts(stored: RetentionInForce) -> dict[str, str]:
    days = {kind: each.own for kind, each in stored.kinds.items()}
    return {"version": str(stored.version), **{kind: str(own) if own else "" for kind, own in days.items()}}


def _shown(policy: RetentionPolicy) -> str:
    """Return the days of a policy as one text, by which a form says what its preview was about."""
    return "-".join(str(policy.days(kind) or "") for kind in KINDS)


handlers = [retention_page, save_retention]
