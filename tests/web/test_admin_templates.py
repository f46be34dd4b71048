"""Templates read only the names that their context has, and every page is served."""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import fields

import pytest
from jinja2 import meta
from litestar.handlers import HTTPRouteHandler

from web import admin
from web.admin.routes import OUTSIDE, PAGES, WITHOUT_SIDE
from web.admin.shell.render import ENVIRONMENT, WEB

CONTEXT = re.compile(r"\{# Context: ([\w., ]+?)\.(?: Set by the including template: ([\w, ]+)\.)? #\}")
OWN_NAMES = re.compile(r"\{%-? (?:set|macro) (\w+)")
ALWAYS = {*ENVIRONMENT.globals, "frame", "show", "ui"}
TEMPLATES = WEB / "templates"
TYPED = [
    str(path.relative_to(TEMPLATES)) for path in sorted(TEMPLATES.rglob("*.html")) if CONTEXT.search(path.read_text())
]


def names_of(reference: str) -> set[str]:
    """Return the fields of a context such as `rules.rule_edit.RulePage` of the admin, or `web.center.views.Page`."""
    module, _, name = reference.rpartition(".")
    path = module if module.startswith("web.") else f"web.admin.{module}"
    return {field.name for field in fields(getattr(importlib.import_module(path), name))}


@pytest.mark.parametrize("name", TYPED)
def test_a_template_reads_only_its_context(name: str) -> None:
    text = (TEMPLATES / name).read_text()
    context = CONTEXT.search(text)
    assert context
    given = set((context[2] or "").split(", ")) | ALWAYS | set(OWN_NAMES.findall(text))
    read = meta.find_undeclared_variables(ENVIRONMENT.parse(text)) - given
    for reference in context[1].split(", "):
        assert read <= names_of(reference), f"{reference} lacks names"


def test_every_fragment_names_its_context() -> None:
    untyped = {
        str(path.relative_to(TEMPLATES))
        for path in TEMPLATES.rglob("*.html")
        if path.parent.name not in ("shell", "documentation")
        and meta.find_undeclared_variables(ENVIRONMENT.parse(path.read_text())) - ALWAYS
    } - set(TYPED)
    assert not untyped


def test_every_handler_of_the_admin_is_served() -> None:
    listed = {handler for module in (*PAGES, *WITHOUT_SIDE) for handler in module.handlers}
    listed |= {handler for module in OUTSIDE for handler in module.outside}
    for info in pkgutil.walk_packages(admin.__path__, "web.admin."):
        if info.name != "web.admin.routes":
            module = importlib.import_module(info.name)
            handlers = {value for value in vars(module).values() if isinstance(value, HTTPRouteHandler)}
            assert handlers <= listed, info.name
