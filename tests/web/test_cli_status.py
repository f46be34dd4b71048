"""`tap2 status` shows the state of an installation, with and without a server."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from benchmarks.process import free_port
from engine.jobs import JobRun
from engine.settings import Settings
from tests.serving import Server, Side
from web.cli import main
from web.cli.installation.status import ServerStatus, server_status
from web.http import metrics


def tap2_status(settings, port, *options):
    return CliRunner().invoke(main, ["status", *options], env={"TAP2_DATA": settings.data, "TAP2_PORT": str(port)})


@pytest.fixture
def port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


def test_a_running_server_shows_its_processes_and_jobs(server: Server, side: Side, port_of: int):
    side.decide()
    metrics.count_job(JobRun("purge", failed=False, pause=3600))
    metrics.count_job(JobRun("purge", failed=True, pause=3600))
    ran = tap2_status(server.settings, port_of, "--json")
    assert ran.exit_code == 0, ran.output
    shown = json.loads(ran.stdout)
    assert shown["server"]["answers"]
    [purge] = [job for job in shown["server"]["jobs"] if job["job"] == "purge"]
    assert (purge["runs"] >= 2, purge["failures"] >= 1) == (True, True)
    assert 3500 < purge["next_in_seconds"] <= 3600
    assert purge["last_seconds_ago"] < 60
    [process] = shown["server"]["processes"]
    assert (process["version"], process["seen_seconds_ago"] < 60) == (shown["installation"]["version"], True)
    assert shown["backlogs"]["mails failed"] >= 0, "the other tests share this server"


def test_without_a_server_the_database_is_shown_and_the_status_is_one(server: Server):
    ran = tap2_status(server.settings, free_port())
    assert ran.exit_code == 1
    assert "No server answers at http://127.0.0.1:" in ran.stderr
    assert "decisions with an open window" in ran.stdout
    assert "in the last 24 hours" in ran.stdout


def test_ages_are_shown_in_their_largest_unit(server: Server, port_of: int):
    metrics.count_job(JobRun("refit models", failed=False, pause=3 * 86_400 + 60))
    ran = tap2_status(server.settings, port_of)
    assert ran.exit_code == 0
    [row] = [line for line in ran.stdout.splitlines() if "refit models" in line]
    assert "in 3 days" in row
    assert " s ago" in row


@pytest.mark.parametrize(
    ("listening", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://localhost:1"),
        ("::", "http://localhost:1"),
        ("::1", "http://[::1]:1"),
        ("localhost", "http://localhost:1"),
    ],
)
def test_server_is_called_at_its_port(listening, url):
    assert server_status(Settings(host=listening, port=1)) == ServerStatus(url, answers=False)
