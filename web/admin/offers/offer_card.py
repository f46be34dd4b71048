"""The card of an offer as a customer will see it, made of what stands in its form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from babel import Locale, UnknownLocaleError

from engine.kernel.offers.quote import Cart, discount
from engine.model.documents.offer import Benefit, Offer, OfferText
from engine.model.timestamps import ms_of
from rules.language.codes import decimals_of
from web.admin.offers.offer_texts import benefit_of, endings
from web.admin.shell.forms import Reader
from web.admin.shell.frame import Frame
from web.format import ENGLISH, Show

DEVICES = (("phone", "Phone"), ("desktop", "Computer"))
RIGHT_TO_LEFT = "right-to-left"
SAMPLE_CODE = "7HK2-9XQ4"
"""Where each customer gets another one."""
TYPICAL_CART = 100
"""In major units, where none is typed."""


@dataclass(frozen=True)
class OfferCard:
    """The offer as a customer with a cart reads it: on a device, in a language, light or dark.

    `problem` says what the form must have before there is a discount to show. `before` and `after` are the cart's
    total, `until` the last moment of the offer, both as customers of that language write them.
    """

    locales: Sequence[tuple[str, str]]
    locale: str
    devices: Sequence[tuple[str, str]]
    device: str
    dark: bool
    cart: str
    direction: str
    title: str
    terms: str
    takes_off: str
    before: str
    after: str
    code: str
    until: str
    problem: str


def card_of(values: Mapping[str, str], frame: Frame, currency: str) -> OfferCard:
    """Return the card of a form's texts; what is missing or wrong in them is left out."""
    texts = _texts(values)
    chosen = values.get("card_locale", "")
    locale = chosen if chosen in texts else next(iter(texts))
    reader = Reader(values, frame.show.locale)
    total = reader.money("card_total", currency)
    total = TYPICAL_CART * 10 ** decimals_of(currency) if total is None else total
    amount = _discount(reader, currency, total)
    show = Show(locale=_locale(locale), timezone=frame.merchant.timezone, now=frame.show.now)
    ends = reader.moment("ends_at", frame.show.zone, old=None)
    ends_at = ms_of(ends) if ends else None
    shipping = values.get("benefit") == "free_shipping"
    device = values.get("card_device", "")
    return OfferCard(
        locales=[(each, _name_of(each)) for each in texts],
        locale=locale,
        devices=DEVICES,
        device=device if device in dict(DEVICES) else DEVICES[0][0],
        dark=bool(values.get("card_dark")),
        cart=values.get("card_total", ""),
        direction="rtl" if show.locale.character_order == RIGHT_TO_LEFT else "ltr",
        title=texts[locale].title,
        terms=texts[locale].terms,
        takes_off=show.money(-amount, currency) if amount else "",
        before="" if shipping else show.money(total, currency),
        after="" if shipping or not amount else show.money(total - amount, currency),
        code=reader.text("code") if reader.text("codes") in ("", "fixed") else SAMPLE_CODE,
        until=show.moment(ends_at) if ends_at is not None else "",
        problem="" if amount else "Say what it takes off to see the price.",
    )


def _discount(reader: Reader, currency: str, total: int) -> int:
    """Return what the benefit in the form takes off; 0 where it says too little."""
    try:
        benefit = msgspec.convert(benefit_of(reader, currency), Benefit)
    except msgspec.ValidationError:
        return 0
    offer = Offer(currency=currency, benefit=benefit, budgets=("-",), texts={"en": OfferText("-")})
    return discount(offer, Cart(total, currency))


def _texts(values: Mapping[str, str]) -> dict[str, OfferText]:
    """Return the texts that have a language, the first also without one."""
    texts = {}
    for end in endings(values):
        locale = values.get(f"locale{end}", "").strip()
        if locale or not end:
            texts[locale] = OfferText(values.get(f"title{end}", "").strip(), values.get(f"terms{end}", "").strip())
    return texts


def _name_of(locale: str) -> str:
    """Return what a language is called, such as German (Austria); a code that is none stays as it is."""
    return str(_locale(locale).get_display_name(ENGLISH) or locale) if _is_known(locale) else locale or "First language"


def _locale(text: str) -> Locale:
    return Locale.parse(text, sep="-") if _is_known(text) else ENGLISH


def _is_known(text: str) -> bool:
    try:
        Locale.parse(text, sep="-")
    except (UnknownLocaleError, ValueError, TypeError):
        return False
    return bool(text)
