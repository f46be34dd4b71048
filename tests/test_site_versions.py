"""A published folder lists its versions, and is never left with half of one."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.site import publish
from benchmarks.site.versions import add, versions

FILES = {"index.html": "front", "api/decide.html": "decide", "assets/site.css": "style"}


class Killed(BaseException):
    """Raised to end a process at any moment."""


@pytest.fixture
def built(tmp_path: Path) -> Callable[[str], Path]:
    def build(words: str) -> Path:
        folder = tmp_path / f"built-{words}"
        for name, text in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"{text} {words}")
        return folder

    return build


@pytest.fixture
def site(tmp_path: Path, built: Callable[[str], Path]) -> Path:
    folder = tmp_path / "site"
    for name in ("0.9.0", "dev", "0.10.0"):
        add(folder, name, built(name))
    return folder


def content(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def listed(site: Path) -> list[str]:
    return [each["version"] for each in json.loads((site / "versions.json").read_text())]


def test_versions_are_listed_from_the_newest_and_the_root_leads_to_the_newest_release(site: Path):
    assert versions(site) == listed(site) == ["dev", "0.10.0", "0.9.0"]
    assert [each["aliases"] for each in json.loads((site / "versions.json").read_text())] == [[], ["latest"], []]
    assert 'url=0.10.0/index.html"' in (site / "index.html").read_text()
    assert (site / "versions.js").read_text().endswith('new Versions(["dev", "0.10.0", "0.9.0"], "0.10.0").show();\n')
    assert (site / "0.9.0" / "pages.js").read_text() == 'tap2Pages("0.9.0", ["api/decide.html", "index.html"]);\n'


def test_without_a_release_the_root_leads_to_the_working_copy(tmp_path: Path, built: Callable[[str], Path]):
    add(tmp_path / "site", "dev", built("dev"))
    assert 'url=dev/index.html"' in (tmp_path / "site" / "index.html").read_text()


def test_adding_a_version_is_idempotent_and_keeps_others(site: Path, built: Callable[[str], Path]):
    before = content(site)
    add(site, "0.9.0", built("0.9.0"))
    assert content(site) == before
    add(site, "0.11.0", built("0.11.0"))
    kept = {name: text for name, text in content(site).items() if name.startswith(("dev/", "0.9.0/", "0.10.0/"))}
    assert kept == {name: text for name, text in before.items() if name in kept}
    assert listed(site) == ["dev", "0.11.0", "0.10.0", "0.9.0"]


def test_a_version_whose_folder_was_removed_is_no_longer_listed(site: Path, built: Callable[[str], Path]):
    shutil.rmtree(site / "0.10.0")
    add(site, "dev", built("dev"))
    assert listed(site) == ["dev", "0.9.0"]
    assert 'url=0.9.0/index.html"' in (site / "index.html").read_text()


@pytest.mark.parametrize("moment", range(1, 16))
def test_a_killed_run_leaves_whole_versions_and_the_next_repairs_the_rest(
    site: Path, built: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, moment: int
):
    old, new = built("0.9.0"), built("changed")
    steps = 0

    def killable(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == moment:
                raise Killed
            return step(*arguments, **options)

        return run

    with monkeypatch.context() as patched:
        for owner, name in ((shutil, "copyfile"), (Path, "write_text"), (Path, "rename"), (Path, "replace")):
            patched.setattr(owner, name, killable(getattr(owner, name)))
        patched.setattr(shutil, "copytree", killable(shutil.copytree))
        with pytest.raises(Killed):
            add(site, "0.9.0", new)
    shown = {name.removeprefix("0.9.0/"): text for name, text in content(site).items() if name.startswith("0.9.0/")}
    shown.pop("pages.js", None)
    assert shown in (content(old), content(new), {})
    add(site, "0.9.0", new)
    clean = site.parent / "clean"
    for name, words in (("0.9.0", "changed"), ("dev", "dev"), ("0.10.0", "0.10.0")):
        add(clean, name, built(words))
    assert content(site) == content(clean)


# Releases


@pytest.mark.parametrize("tag", ["0.9.0", "v0.9", "v1.0.0-rc1", "main", "v../up", "v9.9.9"])
def test_invalid_release_tag_is_refused(site: Path, tag: str):
    before = content(site)
    with pytest.raises(SystemExit):
        publish.publish(tag, site)
    assert content(site) == before


def test_a_release_is_built_by_its_own_code(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch):
    repository = tmp_path / "repository"
    module = repository / "benchmarks" / "site" / "build.py"
    module.parent.mkdir(parents=True)
    module.write_text(
        "import sys, pathlib\nfolder = pathlib.Path(sys.argv[1])\nfolder.mkdir()\n"
        "(folder / 'index.html').write_text(f'old code of {sys.argv[2]}')\n"
    )
    own = ["-c", "user.name=Tester", "-c", "user.email=tester@shop.example"]
    for command in (["init", "-q"], ["add", "-A"], [*own, "commit", "-qm", "first"], ["tag", "v0.2.0"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    module.write_text("raise SystemExit('not committed')")
    monkeypatch.setattr(publish, "ROOT", repository)
    assert publish.publish("v0.2.0", site) == "0.2.0"
    assert (site / "0.2.0" / "index.html").read_text() == "old code of 0.2.0"
    assert listed(site) == ["dev", "0.10.0", "0.9.0", "0.2.0"]
