"""The documentation site has every page once, loads from no other host, and has the text of the sources."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.site import build, reference
from benchmarks.site.pages import OWN_PATHS, page, page_paths, with_tabs

ROOT = Path(__file__).parent.parent
VERSION = "1.2.3"
EMBEDDED = re.compile(
    r"<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=\"?([^\"\s>]+)|url\(\s*[\"']?([^\"')]+)"
)
TABS = re.compile(r'<div class="tabbed-labels">(.*?)</div>', re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the site, built strictly: no link leads nowhere."""
    folder = tmp_path_factory.mktemp("documentation") / "site"
    build.main(folder, VERSION)
    return folder


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_every_page_of_the_docs_is_on_the_site(site: Path):
    targets = {Path(target).with_suffix(".html") for target in page_paths(ROOT).values()}
    assert {target for target in targets if not (site / target).is_file()} == set()
    assert len(targets) == len([*(ROOT / "docs").rglob("*.md")]) + len(OWN_PATHS) - 1


def test_a_page_outside_the_navigation_stops_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own = build.guides()
    monkeypatch.setattr(build, "guides", lambda: own | {"stray.md": "# Stray"})
    with pytest.raises(SystemExit, match=r"stray\.md"):
        build.write_sources(tmp_path, VERSION)


def test_no_page_loads_from_another_host(site: Path):
    links = Counter(
        address
        for path in [*site.rglob("*.html"), *site.rglob("*.css")]
        for embedded in EMBEDDED.findall(text_of(path))
        for address in embedded
        if re.match(r"(https?:)?//", address)
    )
    assert links == {}


def test_headings_of_a_page_follow_each_other(site: Path):
    for path in site.rglob("*.html"):
        levels = [int(level) for level in re.findall(r"<h([1-6])[ >]", text_of(path))]
        assert levels.count(1) == 1, path
        assert all(below <= above + 1 for above, below in itertools.pairwise(levels)), path


def test_the_footer_has_the_version_also_without_scripts(site: Path):
    footer = re.search(r'<div class="md-copyright__highlight">\s*(.*?)\s*</div>', text_of(site / "rules.html"))
    assert footer
    assert footer[1] == f"Tap2 Personalize {VERSION}"


def test_pages_load_the_version_switcher_from_the_parent_folder(site: Path):
    assert all(re.search(r'<script src="[./]*site\.js">', text_of(page)) for page in site.rglob("*.html"))
    assert 'new URL("versions.js", root)' in text_of(site / "site.js")


def test_the_quick_start_has_a_tab_for_each_language(site: Path):
    (tabs,) = TABS.findall(text_of(site / "quick-start.html"))
    assert re.findall(r"<label[^>]*>(.*?)</label>", tabs) == ["curl", "JavaScript", "Python", "PHP"]


def test_the_reference_has_every_operation_and_schema(site: Path):
    api = build.api()
    operations = {
        (operation["tags"][0], operation["operationId"])
        for methods in api["paths"].values()
        for operation in methods.values()
    }
    for tag, operation in operations:
        target = Path(reference.path(tag)).with_suffix(".html")
        assert f'id="{operation}"' in text_of(site / target)
        assert f'{target.name}#{operation}"' in text_of(site / "api" / "index.html")
    schemas = text_of(site / "api" / "schemas.html")
    assert [name for name in api["components"]["schemas"] if f'id="schema-{name.lower()}"' not in schemas] == []


def test_an_operation_names_its_errors_once():
    text = reference.pages(build.api())["api/decide.md"]
    assert "Errors: `400`, `401`, `403`" in text
    assert "| 200 | The answer, which is logged before it is sent |" in text
    assert "| 400 |" not in text


def test_the_search_finds_errors_settings_and_operations(site: Path):
    index = text_of(site / "search.js")
    assert all(word in index for word in ("too-many-requests", "TAP2_DATABASE_URL", "Decide one placement"))


# How sources become pages


def test_headings_over_examples_alone_become_tabs():
    row = "## A\n\n### curl\n\n```sh\nls\n\nls\n```\n\n### Python\n\n```python\n# 1\n```\n\nAfter.\n"
    curl = '=== "curl"\n\n    ```sh\n    ls\n\n    ls\n    ```\n\n'
    python = '=== "Python"\n\n    ```python\n    # 1\n    ```\n\n'
    assert with_tabs(row) == f"## A\n\n{curl}{python}After.\n"


def test_a_heading_over_an_example_and_text_stays():
    text = "### curl\n\n```sh\nls\n```\n\nIt lists.\n\n### Python\n\n```python\n1\n```\n"
    assert with_tabs(text) == text


@pytest.mark.parametrize(
    ("source", "link", "expected"),
    [
        ("README.md", "[a](docs/rules.md#effects)", "[a](rules.md#effects)"),
        ("docs/rules.md", "[a](../README.md)", "[a](index.md)"),
        ("docs/decisions/0001-the-log-is-the-truth.md", "[a](../rules.md)", "[a](../rules.md)"),
        ("docs/rules.md", "[a](decisions/0001-the-log-is-the-truth.md)", "[a](decisions/0001-the-log-is-the-truth.md)"),
        ("docs/rules.md", "[a](#b)", "[a](#b)"),
        ("docs/rules.md", "[a](https://example.com/b.md)", "[a](https://example.com/b.md)"),
        ("docs/rules.md", "[`code`](../rules/parse.py)", "`code`"),
        ("docs/rules.md", "```md\n[a](../README.md)\n```", "```md\n[a](../README.md)\n```"),
    ],
)
def test_links_lead_to_pages_of_the_site(source, link, expected):
    assert page(link, source, page_paths(ROOT)) == expected
