"""The left navigation: what people come to do."""

from typing import NamedTuple


class NavigationItem(NamedTuple):
    """A page that the navigation links to; `href` is its address on a side."""

    name: str
    href: str
    icon: str


class NavigationGroup(NamedTuple):
    """Items under one title; the first group has none."""

    title: str
    links: tuple[NavigationItem, ...]


NAVIGATION = (
    NavigationGroup(
        "",
        (
            NavigationItem("Overview", "/", "layout-dashboard"),
            NavigationItem("Placements", "/placements", "target"),
            NavigationItem("Rules", "/rules", "adjustments"),
            NavigationItem("Decisions", "/decisions", "list-search"),
        ),
    ),
    NavigationGroup(
        "Settings",
        (
            NavigationItem("Methods", "/methods", "credit-card"),
            NavigationItem("Fields", "/fields", "tags"),
            NavigationItem("Keys", "/keys", "key"),
            NavigationItem("Audit log", "/audit", "history"),
        ),
    ),
)


def navigation_items() -> list[NavigationItem]:
    """Return the items of all groups."""
    return [item for group in NAVIGATION for item in group.links]
