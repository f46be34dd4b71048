"""Undo and redo: the earlier and later states of one form, packed into a hidden input of the form itself.

So they live exactly as long as the form: in each tab its own, through a restart of the server, and never in a
table that somebody has to tidy. A chain of almost equal texts packs into a few kilobytes.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping

import msgspec

MOST_STEPS = 60
MOST_BYTES = 1024 * 1024
MOST_PACKED = 48 * 1024

State = Mapping[str, str]


class History(msgspec.Struct, frozen=True, array_like=True):
    """States before and after the present one, the nearest last; `by` is what the last change was about."""

    present: dict[str, str] = {}
    past: tuple[dict[str, str], ...] = ()
    future: tuple[dict[str, str], ...] = ()
    by: str = ""

    def after(self, state: State, by: str) -> History:
        """Add a state. Consecutive changes to the same input are one step."""
        if state == self.present:
            return self
        if by and by == self.by and self.past:
            return History(dict(state), self.past, (), by)
        past = (*self.past, self.present)[-MOST_STEPS:] if self.present else ()
        return History(dict(state), past, (), by)

    def undone(self) -> History:
        """Go one step back, if there is one."""
        if not self.past:
            return self
        return History(self.past[-1], self.past[:-1], (*self.future, self.present))

    def redone(self) -> History:
        """Go one step forward, if one was undone."""
        if not self.future:
            return self
        return History(self.future[-1], (*self.past, self.present), self.future[:-1])


def packed(history: History) -> str:
    """Pack a history into a short text; the oldest steps are dropped where it would be too long."""
    text = _packed(history)
    while len(text) > MOST_PACKED and (history.past or history.future):
        half = History(history.present, history.past[len(history.past) // 2 + 1 :], (), history.by)
        history, text = half, _packed(half)
    return text


def unpacked(text: str) -> History:
    """Unpack a history; an empty one where the text is broken."""
    try:
        raw = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), MOST_BYTES)
        return msgspec.json.decode(raw, type=History)
    except (binascii.Error, zlib.error, msgspec.DecodeError):
        return History()


def _packed(history: History) -> str:
    return base64.b64encode(zlib.compress(msgspec.json.encode(history), 6)).decode()
