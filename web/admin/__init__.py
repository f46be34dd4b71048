"""The pages for merchants. `routers()` is all that the application needs to know of them."""

from web.admin.routes import routers

__all__ = ["routers"]
