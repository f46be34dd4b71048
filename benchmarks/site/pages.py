"""Turn the Markdown of the repository into the pages of the documentation site.

The sources stay plain Markdown that reads well in a repository. Two things differ on the site: pages have other paths,
and a row of headings with one example each becomes tabs.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

OWN_PATHS = {
    "README.md": "index.md",
    "docs/README.md": "contents.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Where a source stands on the site, if not at its path inside `docs`."""

ASSETS = ("*.json", "images/*")

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
EXAMPLE = r"^(#{2,4}) ([^\n]+)\n\n(```\w+\n(?:(?!^```$).*\n)*?^```)\n\n?"
EXAMPLES = re.compile(rf"(?:{EXAMPLE}){{2,}}", re.MULTILINE)


def page_paths(root: Path) -> dict[str, str]:
    """Return the path on the site for the path of each source in the repository."""
    inside = sorted(path.relative_to(root).as_posix() for path in (root / "docs").rglob("*.md"))
    return {source: source.removeprefix("docs/") for source in inside} | OWN_PATHS


def asset_paths(root: Path) -> dict[str, str]:
    """Return the path on the site for each file that pages show or offer."""
    files = (path.relative_to(root).as_posix() for pattern in ASSETS for path in sorted((root / "docs").glob(pattern)))
    return {source: source.removeprefix("docs/") for source in files}


def page(text: str, source: str, paths: Mapping[str, str]) -> str:
    """Return the site's Markdown of a source."""
    return with_links(with_tabs(text), source, paths)


def with_tabs(text: str) -> str:
    """Turn rows of headings of a level, each over one code block alone, into tabs."""
    return EXAMPLES.sub(lambda row: _tabs(row[0]), text)


def _tabs(row: str) -> str:
    tabs = []
    for example in re.finditer(EXAMPLE, row, re.MULTILINE):
        code = "\n".join(f"    {line}".rstrip() for line in example[3].splitlines())
        tabs.append(f'=== "{example[2]}"\n\n{code}\n')
    return "\n".join(tabs) + "\n"


def with_links(text: str, source: str, paths: Mapping[str, str]) -> str:
    """Point links to their targets on the site; a link to another file becomes its text."""
    parts, end = [], 0
    for code in FENCE.finditer(text):
        parts += [_links(text[end : code.start()], source, paths), code[0]]
        end = code.end()
    return "".join([*parts, _links(text[end:], source, paths)])


def _links(text: str, source: str, paths: Mapping[str, str]) -> str:
    folder = posixpath.dirname(paths[source])

    def moved(link: re.Match[str]) -> str:
        image, label, target = link.groups()
        path, hash_, anchor = target.partition("#")
        if not path or "://" in path:
            return link[0]
        new_path = paths.get(posixpath.normpath(posixpath.join(posixpath.dirname(source), path)))
        if new_path is None:
            return label
        return f"{image}[{label}]({posixpath.relpath(new_path, folder or '.')}{hash_}{anchor})"

    return LINK.sub(moved, text)
