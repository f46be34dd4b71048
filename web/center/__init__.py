"""The customer center: a page behind a link, where customers see and change what is known about them."""

from web.center.routes import routers

__all__ = ["routers"]
