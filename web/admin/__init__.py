"""The pages for merchants. `routers()` and `wrong_method` are all that the application needs to know of them."""

from web.admin.routes import routers
from web.admin.shell.error_pages import wrong_method

__all__ = ["routers", "wrong_method"]
