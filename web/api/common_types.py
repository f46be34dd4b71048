"""Field types that several endpoints share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Protocol, TypeVar

import msgspec
from msgspec import Meta

from engine.model.errors import FieldProblem

WITHOUT_NUL = r"\A[^\x00]*\Z"
"""Databases cannot store NUL, so values in a URL must not contain it."""

CustomerId = Annotated[str, Meta(min_length=1, max_length=256, description="Stored only as a keyed hash.")]
Slug = Annotated[str, Meta(max_length=64, description="If given, the key's own merchant.")]
Limit = Annotated[int, Meta(ge=1, le=200, description="The maximum number of items.")]
Cursor = Annotated[str, Meta(max_length=80, pattern=WITHOUT_NUL, description="`next` of the previous page.")]
Moment = Annotated[str, Meta(description="RFC 3339, UTC.", extra_json_schema={"format": "date-time"})]
Reason = Annotated[str, Meta(max_length=500, description="The reason for the change, stored with the version.")]
Warnings = Annotated[
    list[FieldProblem] | msgspec.UnsetType,
    Meta(description="The parts of the request that were ignored; for test keys, and with `?explain=true`."),
]
Personalized = Annotated[
    bool | msgspec.UnsetType,
    Meta(description="False where personalization is refused: the merchant's own order, of which nothing is stored."),
]
PromptConsent = Annotated[
    bool | msgspec.UnsetType,
    Meta(description="True until the customer has answered or dismissed the consent prompt, if the policy has one."),
]
WithPersonalization = Annotated[
    bool,
    Meta(description="False where the customer or their browser refuses personalization, as a header `Sec-GPC: 1`."),
]
ReportedMoment = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.")]


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The part of a list to answer."""

    limit: Limit = 50
    cursor: Cursor = ""


class Identified(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=Identified)


def part_of(items: Sequence[Item], page: Page) -> tuple[Sequence[Item], str | None]:
    """Return the items after the cursor, and the cursor of the next page; None at the end."""
    begin = next((index + 1 for index, item in enumerate(items) if item.id == page.cursor), 0)
    part = items[begin : begin + page.limit]
    return part, part[-1].id if begin + page.limit < len(items) else None
