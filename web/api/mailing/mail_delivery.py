"""How the mails to people do: of a schedule of reports, or to a recipient of alerts."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from engine.model.mailing.mail import MailFault, MailSummary
from engine.model.timestamps import rfc3339
from web.api.common_types import Moment


class MailDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """When a mail was sent last, how many wait after a fault, and how many failed since."""

    sent_at: Moment | None
    delayed: int
    failed: int
    fault: Annotated[MailFault, Meta(description="The fault of the newest mail, empty without one.")]
    next_at: Annotated[Moment | None, Meta(description="When the first mail that waits is tried again.")]


def delivery_of(summary: MailSummary | None) -> MailDelivery:
    """Return a summary as the API shows it; None where no mail was made yet."""
    mails = summary or MailSummary()
    sent_at, next_at = (None if moment is None else rfc3339(moment) for moment in (mails.sent_at, mails.next_at))
    return MailDelivery(sent_at=sent_at, delayed=mails.delayed, failed=mails.failed, fault=mails.fault, next_at=next_at)
