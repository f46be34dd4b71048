"""Field types that several endpoints share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from engine.model.errors import FieldProblem

WITHOUT_NUL = r"\A[^\x00]*\Z"
"""Databases cannot store NUL, so values in a URL must not contain it."""

CustomerId = Annotated[str, Meta(min_length=1, max_length=256, description="Kept only as a keyed hash.")]
Slug = Annotated[str, Meta(max_length=64, description="Where given, the key's own merchant.")]
Limit = Annotated[int, Meta(ge=1, le=200, description="The most items to answer.")]
Cursor = Annotated[str, Meta(max_length=80, pattern=WITHOUT_NUL, description="`next` of the page before.")]
Moment = Annotated[str, Meta(description="RFC 3339, UTC.", extra_json_schema={"format": "date-time"})]
Reason = Annotated[str, Meta(max_length=500, description="The reason for the change, kept with the version.")]
Warnings = Annotated[
    list[FieldProblem] | msgspec.UnsetType,
    Meta(description="What was left out of the request; for test keys, and with `?explain=true`."),
]
ReportedMoment = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.")]


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The part of a list to answer."""

    limit: Limit = 50
    cursor: Cursor = ""
