"""Types of fields that documents of merchants share. Amounts are integer minor units of a currency."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

CURRENCY = r"\A[A-Z]{3}\Z"
MOMENT = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})\Z"

Id = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}\Z", description="Letters, digits, `_.:-`.")]
Label = Annotated[str, Meta(min_length=1, max_length=120)]
Currency = Annotated[str, Meta(pattern=CURRENCY, description="ISO 4217.")]
Amount = Annotated[int, Meta(ge=0, le=2**53, description="Integer minor units.")]
Moment = Annotated[
    str,
    Meta(
        pattern=MOMENT,
        description="RFC 3339 with its offset, such as `2026-11-27T18:30:00+01:00`.",
    ),
]
MailAddress = Annotated[
    str, Meta(max_length=254, pattern=r"\A[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]+@[^\s@<>()\[\],;:\\\"]+\Z")
]
"""An e-mail address without a name, a comment or quotes."""
