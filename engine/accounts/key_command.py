"""Ask a command for the master keys: the hook for a key management service."""

from __future__ import annotations

import os
import re
import selectors
import shlex
import signal
import subprocess
import time
from typing import IO

from engine.accounts.customer_key import UnusableKey

COMMAND_SECONDS = 20.0
"""Within this time, a command has answered and ended; a worker of a server may take a minute to start."""
MOST_BYTES = 16 * 1024
_PIECE = 4096
_KEY = re.compile(r"""[^\s,"'{}<>\[\]]{32,512}""", re.ASCII)
NAME = "TAP2_MASTER_KEY_COMMAND"


def keys_of_command(command: str) -> list[str]:
    """Run a command, without a shell, and return the master keys that it prints, one a line.

    Raise `UnusableKey` if it cannot be started, takes too long, fails, or prints anything else. The message contains
    nothing of what it printed: this may be a key.
    """
    text = _printed(shlex.split(command))
    keys = [line.strip() for line in text.splitlines() if line.strip()]
    if not keys or not all(_KEY.fullmatch(key) for key in keys):
        raise _unusable(
            "did not print keys: it must print one key a line, of 32 to 512 ASCII characters without spaces, commas, "
            "quotes or brackets, and nothing else"
        )
    return keys


def _printed(words: list[str]) -> str:
    """Return what a command prints, and kill it with its children if it does not end in time."""
    # The server's own settings, which contain secrets, are no business of the command.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAP2_")}
    try:
        process = subprocess.Popen(  # noqa: S603
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise _unusable(f"cannot be started ({type(error).__name__})") from None
    with process:
        try:
            return _answer(process)
        except subprocess.TimeoutExpired:
            raise _unusable(f"did not end within {COMMAND_SECONDS:g} seconds") from None
        finally:
            # Its number is its own until its status was asked for.
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)


def _answer(process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + COMMAND_SECONDS
    assert process.stdout is not None  # noqa: S101
    answer = _read_until(process.stdout, deadline, process.args)
    if len(answer) > MOST_BYTES:
        raise _unusable(f"printed more than {MOST_BYTES:,} bytes")
    if status := process.wait(max(0.0, deadline - time.monotonic())):
        raise _unusable(f"failed with the status {status}")
    try:
        return answer.decode("ascii")
    except UnicodeDecodeError:
        raise _unusable("did not print ASCII text") from None


def _read_until(stream: IO[bytes], deadline: float, words: object) -> bytes:
    """Return what comes until the end of a stream, or a little more than `MOST_BYTES`."""
    answer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while len(answer) <= MOST_BYTES:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise subprocess.TimeoutExpired(str(words), COMMAND_SECONDS)
            piece = os.read(stream.fileno(), _PIECE)
            if not piece:
                break
            answer += piece
    return answer


def _unusable(problem: str) -> UnusableKey:
    return UnusableKey(f"the command of {NAME} {problem}; run it as the user of the server to see its messages")
