"""Which rules look at which list, published or in a draft, switched on or off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from web.admin.shell.frame import Frame

RuleLink = tuple[str, str]
"""The name of a rule and the address of its page."""


async def rules_by_list(frame: Frame) -> Mapping[str, Sequence[RuleLink]]:
    """Return the rules that look at each list, of all placements: lists are shared."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    links: dict[str, dict[str, str]] = {}
    for placement in configuration.placements:
        draft = await frame.engine.drafts.get(frame.merchant.id, placement.key)
        for rule in draft.rules:
            address = f"{frame.base}/rules/{placement.key}/{rule.id}"
            for document in (rule.before, rule.after):
                for name in list_names(document.when) if document else ():
                    links.setdefault(name, {})[address] = document.name
    return {name: [(text, address) for address, text in rules.items()] for name, rules in links.items()}


def list_names(condition: object) -> Iterator[str]:
    """Yield the names of the lists in a condition, also in one that cannot be parsed any more."""
    if isinstance(condition, dict):
        for operator, arguments in condition.items():
            if operator == "in_list" and isinstance(arguments, list) and len(arguments) == 2:
                yield str(arguments[1])
            yield from list_names(arguments)
    elif isinstance(condition, list):
        for part in condition:
            yield from list_names(part)
