"""Time the quick start: from a new copy of the repository to a decision that the admin shows, in each language.

The commands are those of README.md and docs/quick-start.md, in a folder of their own. `python -m benchmarks.verify
quick-start`; takes a few minutes, needs Node and PHP, and downloads packages like any first set-up.
"""

from __future__ import annotations

import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.process import ROOT, free_port

MOST_SECONDS = 120
READY_SECONDS = 600
PASSWORD = "a password of the quick start"
EMAIL = "you@example.com"
README_URL = "http://127.0.0.1:8000"
"""The address in the README's commands."""


class Language(NamedTuple):
    """The commands that install the client of a language, and that run an example from the input."""

    name: str
    fence: str
    install: Sequence[str]
    run: Sequence[str]


def languages(copy: Path) -> list[Language]:
    """Return the languages of the quick start; clients come from the copy, because no registry has them yet."""
    sdks = copy / "sdks"
    return [
        Language("curl", "sh", (), ("bash", "-e")),
        Language(
            "JavaScript",
            "js",
            ("npm", "install", "--silent", str(sdks / "javascript")),
            ("node", "--input-type=module"),
        ),
        Language(
            "Python",
            "python",
            (str(copy / ".venv/bin/pip"), "install", "--quiet", "--target", "client", str(sdks / "python")),
            (sys.executable, "-"),
        ),
        Language("PHP", "php", (), ("php",)),
    ]


def figures() -> list[tuple[str, str, str]]:
    """Return (subject, goal, measured) for the table of docs/verification.md."""
    if missing := [name for name in ("git", "make", "curl", "node", "npm", "php") if shutil.which(name) is None]:
        raise SystemExit(f"this check needs {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="tap2-quick-start-") as name:
        return _timed(Path(name))


def _timed(folder: Path) -> list[tuple[str, str, str]]:
    copy = folder / "copy"
    run(["git", "clone", "--quiet", str(ROOT), str(copy)], folder)
    before, began, spent = _processor_seconds(), time.monotonic(), {}
    with serving(copy, free_port()) as url:
        seconds_to_ready = time.monotonic() - began
        key = configure(copy, url)
        prepared = time.monotonic() - began
        # The package that a registry would have is built by its publisher.
        run(["node", "build.mjs"], _with_build_tools(copy))
        for language in languages(copy):
            spent[language.name] = first_decision(language, folder / language.fence, url, key)
    return [
        ("seconds until the server is ready; until it is configured", "", f"{seconds_to_ready:.0f}; {prepared:.0f}"),
        *(
            (f"{name}: seconds from nothing to the decision in the admin", "", f"{prepared + own:.0f}")
            for name, own in spent.items()
        ),
        ("seconds of these after the configuration", "", ", ".join(f"{own:.1f} {name}" for name, own in spent.items())),
        ("seconds of processor time, all four languages", f"< {MOST_SECONDS}", f"{_processor_seconds() - before:.0f}"),
    ]


def _processor_seconds() -> float:
    """Return the processor time of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _with_build_tools(copy: Path) -> Path:
    package = copy / "sdks" / "javascript"
    (package / "node_modules").symlink_to(ROOT / "sdks" / "javascript" / "node_modules")
    return package


def first_decision(language: Language, folder: Path, url: str, key: str) -> float:
    """Return the seconds until the decision of a language's example was on its page in the admin."""
    folder.mkdir()
    began = time.monotonic()
    if language.install:
        run(language.install, folder)
    code = example(language.fence)
    if language.fence == "php":
        code = f"<?php require '{ROOT / 'sdks/php/autoload.php'}';\n{code}"
    own = {"TAP2_URL": url, "TAP2_KEY": key, "PYTHONPATH": str(folder / "client")}
    run(language.run, folder, own, code)
    show_newest(url, key)
    return time.monotonic() - began


def show_newest(url: str, key: str) -> None:
    """Log in to the admin and open the newest decision; raises RuntimeError if its outcome is not there."""
    newest = httpx.get(f"{url}/v1/decisions", headers={"Authorization": f"Bearer {key}"}).json()["items"][0][
        "decision_id"
    ]
    with httpx.Client(base_url=url, follow_redirects=True, timeout=30) as person:
        form = person.get("/admin/login").text
        csrf = re.search(r'name="csrf" value="([^"]+)"', form)
        person.post(
            "/admin/login", data={"csrf": csrf[1] if csrf else "", "email": EMAIL, "password": PASSWORD, "next": ""}
        )
        listed = person.get("/admin/decisions").text
        page = person.get(f"/admin/decisions/{newest}").text
    if newest not in listed or "Purchase completed" not in page:
        raise RuntimeError(f"the admin does not show {newest} with its outcome")


def example(fence: str) -> str:
    """Return the code of a language on the page of the quick start."""
    [code] = _blocks(ROOT / "docs" / "quick-start.md", fence)
    return code


def configure(copy: Path, url: str) -> str:
    """Run the README's commands up to the placement; return the key that they made."""
    merchant, placement = _blocks(ROOT / "README.md", "sh")[:2]
    script = f'set -euo pipefail\n{merchant}\n{placement}\necho "KEY $KEY"\n'.replace(README_URL, url)
    return run(["bash"], copy, {"TAP2_PASSWORD": PASSWORD}, script).rpartition("KEY ")[2].strip()


def _blocks(page: Path, fence: str) -> list[str]:
    return re.findall(rf"^```{fence}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@contextmanager
def serving(copy: Path, port: int) -> Iterator[str]:
    """Set up and serve by `make run` without the demo; yields the address once it is ready."""
    url, log = f"http://127.0.0.1:{port}", copy.parent / "server.log"
    environment = _environment({"TAP2_DEMO": "0", "TAP2_PORT": str(port)})
    with log.open("w") as output:
        server = subprocess.Popen(
            ["make", "run"], cwd=copy, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        began = time.monotonic()
        while not _is_ready(url):
            if server.poll() is not None or time.monotonic() - began > READY_SECONDS:
                raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGINT)  # like Ctrl+C: to make and to its child processes
        server.wait(60)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def run(command: Sequence[str], folder: Path, more: Mapping[str, str] | None = None, text: str = "") -> str:
    """Run a command that reads `text`; return what it prints. Raises RuntimeError with its output if it fails."""
    done = subprocess.run(
        command, cwd=folder, env=_environment(more or {}), input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without settings of the caller."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAP2_", "PYTHONPATH"))}
    return {**kept, **more}
