"""Compile ahead of the first decision."""

from bandits.choice import utilities
from bandits.drawing import slots


def prepare() -> None:
    """Compile all steps, or read them from the cache: some seconds, or most of one."""
    slots.prepare()
    utilities.prepare()
