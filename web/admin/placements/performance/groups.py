"""CandidateNames of customer groups that are learned about apart."""

from __future__ import annotations

from engine.model.placement import Placement
from web.admin.shell.frame import Frame

WITH_ARTICLE = frozenset(("AE", "BS", "CF", "DO", "GB", "GM", "KM", "MV", "NL", "PH", "SC", "US"))
"""Countries whose English names take an article."""
UNKNOWN = "unknown"


def group_name(frame: Frame, placement: Placement, bucket: str) -> str:
    """Return the name of a customer group, such as “Germany · mobile”."""
    parts = zip(placement.buckets, bucket.split("|"), strict=False)
    return " · ".join(_part(frame, name, value) for name, value in parts)


def audience_text(frame: Frame, placement: Placement, bucket: str) -> str:
    """Return where a group's customers are, as in “in Germany” or “for “mobile””."""
    name = group_name(frame, placement, bucket)
    if len(placement.buckets) != 1 or not placement.buckets[0].endswith("country") or name == UNKNOWN:
        return f"for “{name}”"
    return f"in the {name}" if bucket in WITH_ARTICLE else f"in {name}"


def _part(frame: Frame, name: str, value: str) -> str:
    if value in ("", "-"):
        return UNKNOWN
    return frame.show.country(value) if name.endswith("country") else value
