"""The addresses of the customer center, and of a link to it."""

from __future__ import annotations

from engine.customers.center_links import IssuedLink
from web.http.middleware.base_path import server_address
from web.http.request_reading import AnyRequest

CENTER = "/customer-center"
OPEN = f"{CENTER}/open"


def link_address(request: AnyRequest, issued: IssuedLink) -> str:
    """Return the address of a link. Its secret is the fragment, which stays in the browser."""
    return f"{server_address(request)}{OPEN}#{issued.secret}"
