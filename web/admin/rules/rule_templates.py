"""Rules for common needs, ready to be changed: each is offered only where there is something for it to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babel import Locale

from engine.model.placement import Candidate, RuleDocument
from rules import RuleError, Vocabulary, parse_rule
from rules.language.codes import decimals_of
from web.admin.candidates.method_types import DEVICE_WALLETS, LOCAL, OFFERS, PAY_LATER

HIGH_RISK = 75
DOUBTFUL = 50
MOST_PINNED = 3


@dataclass(frozen=True, kw_only=True)
class Shop:
    """The inputs of templates: a placement's candidates in their order, and the merchant's country."""

    candidates: Sequence[Candidate]
    vocabulary: Vocabulary
    lists: Mapping[str, frozenset[str]]
    country: str
    currency: str
    timezone: str

    def of_types(self, types: Collection[str]) -> list[str]:
        """Return the ids of the candidates of such types."""
        return [candidate.id for candidate in self.candidates if candidate.type in types]

    def label(self, id_: str) -> str:
        """Return the label of a candidate."""
        return next(candidate.label for candidate in self.candidates if candidate.id == id_)


def templates_for(shop: Shop, *, taken: Collection[str] = ()) -> list[RuleDocument]:
    """Return the templates that fit the shop, none with an id that is `taken`.

    One that would hide every candidate is left out, and one whose facts the merchant does not have.
    """
    made = (document for template in _TEMPLATES for document in template(shop))
    return [_with_free_id(document, taken) for document in made if _parses(document, shop)]


def _parses(document: RuleDocument, shop: Shop) -> bool:
    parts = {"id": document.id, "when": document.when, "effects": list(document.effects)}
    try:
        parse_rule(parts, shop.vocabulary, shop.lists)
    except RuleError:
        return False
    return True


def _with_free_id(document: RuleDocument, taken: Collection[str]) -> RuleDocument:
    names = (document.id if number == 1 else f"{document.id}-{number}" for number in range(1, len(taken) + 2))
    free = next(name for name in names if name not in taken)
    return RuleDocument(id=free, name=document.name, when=document.when, effects=document.effects, notes=document.notes)


def _var(name: str) -> dict[str, Any]:
    return {"var": name}


def _hide(shop: Shop, types: Collection[str]) -> tuple[dict[str, Any], ...]:
    """Return the effect that hides all candidates of such types, or nothing where there are none, or no others."""
    ids = shop.of_types(types)
    return ({"exclude": ids},) if 0 < len(ids) < len(shop.candidates) else ()


def _wallets_on_desktop(shop: Shop) -> Iterator[RuleDocument]:
    effects = _hide(shop, DEVICE_WALLETS)
    if effects:
        yield RuleDocument(
            id="hide-wallets-on-desktop",
            name="Hide phone wallets on desktop",
            when={"==": [_var("device.type"), "desktop"]},
            effects=effects,
            notes="Most people at a desktop cannot use them.",
        )


def _local_first(shop: Shop) -> Iterator[RuleDocument]:
    """Return a template for each country that has a local method here, the merchant's country first."""
    for country in sorted(LOCAL, key=lambda code: (code != shop.country, code)):
        ids = shop.of_types(LOCAL[country])[:MOST_PINNED]
        if ids:
            area = _in(country)
            yield RuleDocument(
                id=f"local-first-{country.lower()}",
                name=f"{' and '.join(map(shop.label, ids))} first in {area}",
                when={"==": [_var("geo.country"), country]},
                effects=tuple({"pin": {"candidate": id_, "slot": slot}} for slot, id_ in enumerate(ids, 1)),
                notes=f"Customers in {area} look for methods that they know. The engine does not learn from pins.",
            )


def _in(country: str) -> str:
    name = str(Locale("en").territories[country])
    return f"the {name}" if country in {"GB", "NL", "US"} else name


def _pay_later_above(shop: Shop) -> Iterator[RuleDocument]:
    effects = _hide(shop, PAY_LATER)
    digits = decimals_of(shop.currency)
    # units of currencies without decimals are worth about a hundredth of the others'
    limit = 1_000 * 10**digits if digits else 100_000
    if effects:
        yield RuleDocument(
            id="no-pay-later-above",
            name="No pay-later for large carts",
            when={">": [_var("cart.total"), limit]},
            effects=effects,
            notes="Set the amount above which the risk outweighs the sale.",
        )


def _pay_later_at_risk(shop: Shop) -> Iterator[RuleDocument]:
    effects = _hide(shop, PAY_LATER)
    if effects:
        yield RuleDocument(
            id="no-pay-later-for-high-risk",
            name="No pay-later for high risk",
            when={">=": [_var("risk.score"), HIGH_RISK]},
            effects=effects,
            notes="The risk score runs from 0 to 100. Set the threshold that fits your scores.",
        )


def _verification(shop: Shop) -> Iterator[RuleDocument]:
    """Return a template by the merchant's list of risky regions, else for risky orders from abroad."""
    if shop.of_types(OFFERS):
        return
    risky_list = next((name for name in sorted(shop.lists) if "risk" in name.lower()), None)
    abroad = {"and": [{"!=": [_var("geo.country"), shop.country]}, {">=": [_var("risk.score"), DOUBTFUL]}]}
    yield RuleDocument(
        id="extra-verification",
        name="Extra verification in risky regions" if risky_list else "Extra verification for risky orders from abroad",
        when={"in_list": [_var("geo.country"), risky_list]} if risky_list else abroad,
        effects=({"set": {"name": "extra_verification", "value": True}},),
        notes="The answer then contains extra_verification = true. Your checkout must act on it.",
    )


def _weekend_offer(shop: Shop) -> Iterator[RuleDocument]:
    ids = shop.of_types(OFFERS)
    if ids:
        yield RuleDocument(
            id="weekend-offer",
            name=f"{shop.label(ids[0])} first at the weekend",
            when={"weekday_in": [_var("time.now"), ["sat", "sun"], shop.timezone]},
            effects=({"pin": {"candidate": ids[0], "slot": 1}},),
            notes=f"Saturday and Sunday in {shop.timezone}, from midnight to midnight.",
        )


_TEMPLATES: Sequence[Callable[[Shop], Iterator[RuleDocument]]] = (
    _wallets_on_desktop,
    _local_first,
    _pay_later_above,
    _pay_later_at_risk,
    _verification,
    _weekend_offer,
)
