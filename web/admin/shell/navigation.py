"""The left navigation: what people come to do."""

from typing import NamedTuple


class NavigationItem(NamedTuple):
    """A page that the navigation links to."""

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
            NavigationItem("Overview", "/admin/", "layout-dashboard"),
            NavigationItem("Placements", "/admin/placements", "target"),
            NavigationItem("Rules", "/admin/rules", "adjustments"),
            NavigationItem("Decisions", "/admin/decisions", "list-search"),
        ),
    ),
    NavigationGroup(
        "Settings",
        (
            NavigationItem("Methods", "/admin/methods", "credit-card"),
            NavigationItem("Fields", "/admin/fields", "tags"),
            NavigationItem("Keys", "/admin/keys", "key"),
            NavigationItem("Audit log", "/admin/audit", "history"),
        ),
    ),
)
