"""Remember units whose first exposure is stored, so that a unit that returns writes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from engine.store.experiments.exposures import Exposure

MOST_REMEMBERED = 100_000
"""A unit takes about 250 bytes. What is forgotten is written again, which changes nothing."""

Key = tuple[int, str, str, int, str]
"""As `UnitKey`."""


class ExposedUnits:
    """The units of the latest exposures that this process stored: at least half as many as `most`, at most `most`."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most_new = most // 2
        self._new: set[Key] = set()
        self._old: set[Key] = set()

    def __contains__(self, key: Key) -> bool:
        return key in self._new or key in self._old

    def add(self, exposures: Iterable[Exposure]) -> None:
        """Remember exposures; call it once they are committed."""
        for exposure in exposures:
            if len(self._new) >= self._most_new:
                self._old, self._new = self._new, set()
            self._new.add(exposure[:5])
