"""A refit: a model learned again from the log, compared with the model in force on days that neither had seen. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from bandits.evaluation.held_out import Fidelity

RefitState = Literal["accepted", "left_out", "undone"]
RETURNED = "returned to the model before the refit"
REPLACED = "refit from the log"


class RefitResult(msgspec.Struct, frozen=True, kw_only=True):
    """The predictions of the model in force (`before`) and the refit (`after`) on the held-out days (epoch days).

    The refit learned from `trained` trials, all of them known before the first held-out day.
    """

    first_day: int
    last_day: int
    trained: int
    before: Fidelity
    after: Fidelity


class Refit(NamedTuple):
    """A refit and what became of it, in beliefs versions.

    `version` is the one that replaced `previous`, 0 if the refit was worse. `returned` is the version with which the
    earlier model came back, 0 if it did not.
    """

    refitted_at: int
    result: RefitResult
    previous: int
    version: int
    returned: int

    @property
    def state(self) -> RefitState:
        """Return whether it replaced the model in force, was worse, or was taken back."""
        if not self.version:
            return "left_out"
        return "undone" if self.returned else "accepted"
