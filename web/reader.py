"""Whoever reads figures of a merchant, on a page, over HTTP or at the command line: all read the same words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.clock import now_ms
from engine.model.account import Merchant
from engine.service import Engine
from web.format import Show, viewer_locale


class FigureReader(Protocol):
    """A reader of a merchant's figures; a person on a page has a language and a time zone of their own."""

    @property
    def engine(self) -> Engine: ...

    @property
    def merchant(self) -> Merchant: ...

    @property
    def show(self) -> Show: ...


@dataclass(frozen=True)
class MerchantReader:
    """The reader who is no person, such as a program: in the merchant's language and time zone."""

    engine: Engine
    merchant: Merchant

    @property
    def show(self) -> Show:
        return Show(locale=viewer_locale(self.merchant.locale), timezone=self.merchant.timezone, now=now_ms())
