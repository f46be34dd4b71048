"""The master key may come from a command: what it prints is a key, and whatever goes wrong is named, never shown."""

from __future__ import annotations

import os
import shlex
import sys
import time

import msgspec
import pytest

from engine.accounts import key_command
from engine.accounts.customer_key import UnusableKey
from engine.accounts.key_command import keys_of_command
from engine.clock import now_ms
from engine.installation_keys import rotate_master_key
from engine.model.errors import Conflict
from engine.model.timestamps import DAY
from engine.settings import Settings, describe
from tests.engine.test_engine_data_keys import language, say

KEY, OLDER = "k" * 40, "o" * 64


def python(code: str) -> str:
    """Return the command that runs a program in Python."""
    return shlex.join([sys.executable, "-S", "-c", code])


def printing(*keys: str) -> str:
    text = "\n".join(keys)
    return python(f"print({text!r})")


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that has ended may not have been waited for."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_each_line_is_a_key():
    assert keys_of_command(printing(KEY, "", OLDER)) == [KEY, OLDER]


def test_no_shell_reads_the_command(tmp_path):
    with pytest.raises(UnusableKey, match="did not print keys"):
        keys_of_command(f"echo {KEY} ; touch {tmp_path}/made")
    assert list(tmp_path.iterdir()) == []


def test_command_gets_no_settings(monkeypatch):
    monkeypatch.setenv("TAP2_DATABASE_URL", KEY)
    monkeypatch.setenv("VAULT_TOKEN", OLDER)
    code = "import os; print(os.environ.get('TAP2_DATABASE_URL') or os.environ['VAULT_TOKEN'])"
    assert keys_of_command(python(code)) == [OLDER]


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("tap2-no-such-program", r"cannot be started \(FileNotFoundError\)"),
        (python(f"print('{KEY}'); raise SystemExit(3)"), "failed with the status 3"),
        (python(""), "did not print keys"),
        (printing("short"), "did not print keys"),
        (printing(KEY, "short"), "did not print keys"),
        (printing(f'{{"Plaintext":"{KEY}"}}'), "did not print keys"),
        (printing(f"<html>{KEY}</html>"), "did not print keys"),
        (printing(f"Error: {KEY}"), "did not print keys"),
        (printing(*[KEY + str(number) for number in range(1_000)]), "more than 16,384 bytes"),
        (python("import sys; sys.stdout.buffer.write(b'\\xff' * 40)"), "did not print ASCII"),
    ],
)
def test_failure_is_named_without_its_output(command, problem):
    with pytest.raises(UnusableKey, match=problem) as caught:
        keys_of_command(command)
    assert "TAP2_MASTER_KEY_COMMAND" in caught.value.detail
    assert "run it as the user of the server" in caught.value.detail
    assert "kkk" not in caught.value.detail


@pytest.mark.parametrize("end", ["wait", "true"])
def test_a_command_that_hangs_is_killed_with_its_children(tmp_path, monkeypatch, end):
    """Also where the command has ended, and a child keeps its output open."""
    monkeypatch.setattr(key_command, "COMMAND_SECONDS", 2.0)
    script = f"sleep 60 & echo $! > {tmp_path}/pid; {end}"
    started = time.monotonic()
    with pytest.raises(UnusableKey, match="did not end within 2 seconds"):
        keys_of_command(shlex.join(["sh", "-c", script]))
    assert time.monotonic() - started < 30
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < deadline:
        os.sched_yield()
    assert not is_running(pid)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"TAP2_MASTER_KEY_COMMAND": "echo 'half"}, "No closing quotation"),
        ({"TAP2_MASTER_KEY_COMMAND": " "}, "no program"),
        ({"TAP2_MASTER_KEY_COMMAND": "echo", "TAP2_MASTER_KEY": KEY}, "not both"),
    ],
)
def test_settings_that_say_no_command_are_refused(given, problem):
    with pytest.raises(msgspec.ValidationError, match=f"master_key_command: .*{problem}"):
        Settings.from_environment(given)


def test_the_command_is_not_shown():
    assert "--token" not in str(describe(Settings(master_key_command="vault read --token abc")))


@pytest.mark.anyio
async def test_texts_are_readable_only_with_the_command(shop, start_engine, tmp_path):
    await say(shop.engine, shop.id, "anna")
    file = tmp_path / "keys"
    file.write_text(OLDER)
    command = python(f"print(open({str(file)!r}).read())")
    engine = await start_engine(master_key_command=command)
    assert (await engine.data_keys.rotate()).rewrapped > 0
    with pytest.raises(Conflict, match="let it print a new key before the others"):
        await rotate_master_key(engine.settings, engine.data_keys, new=True)
    file.write_text(f"{KEY}\n{OLDER}")
    rotation = await (await start_engine(master_key_command=command)).data_keys.rotate()
    assert rotation.rewrapped == rotation.keys
    await engine.follow()
    file.write_text(KEY)
    assert await language(await start_engine(master_key_command=command), shop.id, "anna") == "de"
    with pytest.raises(UnusableKey, match="to what TAP2_MASTER_KEY_COMMAND prints"):
        await start_engine()


@pytest.mark.anyio
async def test_server_runs_while_the_key_service_is_unreachable(shop, start_engine, tmp_path):
    file = tmp_path / "keys"
    file.write_text(KEY)
    engine = await start_engine(master_key_command=python(f"print(open({str(file)!r}).read())"))
    file.unlink()
    with pytest.raises(UnusableKey, match="failed with the status 1"):
        await engine.data_keys.make_due(now=now_ms() + 2 * DAY)
    await engine.follow()
    await say(engine, shop.id, "anna")
    assert await language(engine, shop.id, "anna") == "de"
    file.write_text(KEY)
    await engine.data_keys.make_due(now=now_ms() + 2 * DAY)
    assert engine.data_keys.get(now_ms() // DAY + 2)
