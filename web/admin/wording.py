"""Rules in plain words, as the pages say them."""

from __future__ import annotations

from engine.wording import in_words, labels_of

__all__ = ["in_words", "labels_of"]
