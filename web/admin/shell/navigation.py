"""The left navigation, and the links between the pages of a list."""

from typing import NamedTuple


class PageLinks(NamedTuple):
    """Addresses of the first and the next page of a list; empty where there is none."""

    first: str = ""
    next: str = ""


NO_PAGES = PageLinks()


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
            NavigationItem("Offers", "/offers", "tags"),
            NavigationItem("Experiments", "/experiments", "flask"),
            NavigationItem("Customers", "/customers", "user"),
            NavigationItem("Decisions", "/decisions", "list-search"),
        ),
    ),
    NavigationGroup(
        "Settings",
        (
            NavigationItem("Methods", "/methods", "credit-card"),
            NavigationItem("Fields", "/fields", "template"),
            NavigationItem("Lists", "/lists", "list"),
            NavigationItem("Keys", "/keys", "key"),
            NavigationItem("Webhooks", "/webhooks", "webhook"),
            NavigationItem("Reports", "/reports", "mail"),
            NavigationItem("Alerts", "/alerts", "alert-circle"),
            NavigationItem("Team", "/team", "users"),
            NavigationItem("Account", "/account", "building-store"),
            NavigationItem("Audit log", "/audit", "history"),
        ),
    ),
)


def navigation_items() -> list[NavigationItem]:
    """Return the items of all groups."""
    return [item for group in NAVIGATION for item in group.links]
