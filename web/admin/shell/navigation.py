"""The left navigation: what people come to do."""

from typing import NamedTuple


class Place(NamedTuple):
    """A page that the navigation leads to."""

    name: str
    href: str
    icon: str


class Group(NamedTuple):
    """Places under one title; the first group has none."""

    title: str
    places: tuple[Place, ...]


NAVIGATION = (
    Group(
        "",
        (
            Place("Overview", "/admin/", "layout-dashboard"),
            Place("Placements", "/admin/placements", "target"),
            Place("Rules", "/admin/rules", "adjustments"),
            Place("Decisions", "/admin/decisions", "list-search"),
        ),
    ),
    Group(
        "Settings",
        (
            Place("Methods", "/admin/methods", "credit-card"),
            Place("Fields", "/admin/fields", "tags"),
            Place("Keys", "/admin/keys", "key"),
            Place("Audit log", "/admin/audit", "history"),
        ),
    ),
)
