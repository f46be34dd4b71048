"""Assets of the pages are installed once, and contain everything that pages name."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from web import assets
from web.admin.shell.navigation import NAVIGATION

ICON = re.compile(r"""icon\(["']([a-z0-9-]+)["']""")
LOADED = re.compile(r"asset\(['\"]([^'\"]+)['\"]\)")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what decides about the installation, with packages that npm has installed already."""
    (tmp_path / "node_modules").mkdir()
    shutil.copy(assets.PROJECT / "package-lock.json", tmp_path)
    for source in (*assets.COPIES, assets.SPRITE):
        target = tmp_path / "node_modules" / source
        target.parent.mkdir(parents=True, exist_ok=True)
        script = "import { isString } from 'vega-util';\nrest\n//# sourceMappingURL=x.map\n"
        target.write_text("body{margin:0}" if target.suffix == ".css" else script)
    (tmp_path / "node_modules" / "purgecss").symlink_to(assets.PROJECT / "node_modules" / "purgecss")
    symbols = "".join(f'<symbol id="tabler-{name}" viewBox="0 0 24 24"></symbol>' for name in assets.ICONS)
    (tmp_path / "node_modules" / assets.SPRITE).write_text(f"<svg>{symbols}</svg>")
    shutil.copy(assets.PROJECT / "package-lock.json", tmp_path / "node_modules" / ".package-lock.json")
    return tmp_path


def test_installation_is_skipped_until_the_lock_file_changes(project: Path) -> None:
    assert assets.install(project) is True
    assert assets.install(project) is False
    (project / "package-lock.json").write_text("{}")
    assert assets.install(project) is True


def test_packages_are_installed_if_the_stamp_matches_the_lock_file(project: Path) -> None:
    assert assets.packages_are_installed(project)
    (project / "package-lock.json").touch()
    assert assets.packages_are_installed(project), "a checkout changes times, not packages"
    lock = json.loads((project / "package-lock.json").read_text())
    lock["packages"]["node_modules/new"] = {"version": "1.0.0", "integrity": "sha512-x"}
    (project / "package-lock.json").write_text(json.dumps(lock))
    assert not assets.packages_are_installed(project)


def test_module_imports_packages_from_the_page(project: Path) -> None:
    assets.install(project)
    text = (project / "web" / "static" / "vendor" / "vega-interpreter.js").read_text()
    assert "const { isString } = globalThis.vega;" in text
    assert "import" not in text
    assert "sourceMappingURL" not in text


def test_only_styles_of_used_classes_are_kept(project: Path) -> None:
    tabler = project / "node_modules" / "@tabler" / "core" / "dist" / "css" / "tabler.min.css"
    tabler.write_text("body{margin:0}.badge{color:red}.card{color:blue}.show{color:green}")
    page = project / "web" / "templates" / "page.html"
    page.parent.mkdir(parents=True)
    page.write_text('<body class="badge">')
    styles = project / "web" / "static" / "vendor" / "tabler.min.css"
    assert assets.install(project)
    assert styles.read_text() == "body{margin:0}.badge{color:red}"
    page.write_text('<body class="card">')
    (page.parent / "page.py").write_text('look = "show"')
    assert assets.install(project), "a page that changes needs other styles"
    assert styles.read_text() == "body{margin:0}.card{color:blue}.show{color:green}"


def test_failure_of_npm_shows_its_output(project: Path) -> None:
    (project / "node_modules" / ".package-lock.json").unlink()
    with pytest.raises(assets.AssetsError, match="Could not run npm ci"):
        assets.run_npm(project, ["false"])


def test_missing_icon_is_named() -> None:
    with pytest.raises(assets.AssetsError, match="no icon 'unicorn'"):
        assets.pick_icons("<svg></svg>", ["unicorn"])


def test_late_font_shifts_no_layout() -> None:
    styles = (assets.VENDOR / "inter.css").read_text()
    assert set(re.findall(r"font-display: *(\w+)", styles)) == {"optional"}


def test_every_icon_and_file_that_a_page_names_is_installed() -> None:
    templates = list((assets.PROJECT / "web" / "templates").rglob("*.html"))
    text = "\n".join(template.read_text("utf-8") for template in templates)
    named = set(ICON.findall(text)) | {item.icon for group in NAVIGATION for item in group.links}
    assert len(templates) > 20
    assert named <= set(assets.ICONS)
    for path in set(LOADED.findall(text)):
        assert (assets.PROJECT / "web" / "static" / path).is_file(), path


def test_the_lock_file_names_no_index() -> None:
    assert '"resolved"' not in (assets.PROJECT / "package-lock.json").read_text()
