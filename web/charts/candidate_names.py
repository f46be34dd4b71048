"""Labels and colours of candidates, the same on every page."""

from __future__ import annotations

from collections.abc import Mapping


class CandidateNames:
    """Labels and colours of candidates by id."""

    def __init__(self, labels: Mapping[str, str], colours: Mapping[str, int]) -> None:
        self.labels = labels
        self.colours = colours

    def __getitem__(self, id: str) -> str:
        return self.labels.get(id, id)
