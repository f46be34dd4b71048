"""All clients while the server dies and connections break; `make verify` does the same with more checkouts."""

from __future__ import annotations

import pytest

from benchmarks.clients.killable import Killable
from benchmarks.clients.run import LANGUAGES, Driver, driver_of, over_a_faulty_network, while_the_server_dies
from tests.sdks.php import NO_PHP, PHP

pytestmark = pytest.mark.long
CHECKOUTS = 500
EVENTS = 1_000


@pytest.fixture(params=LANGUAGES)
def driver(request: pytest.FixtureRequest) -> Driver:
    if request.param == "JavaScript":
        return driver_of(request.param, request.getfixturevalue("package"))
    if request.param == "PHP" and not PHP:
        pytest.skip(NO_PHP)
    return driver_of(request.param)


def test_checkouts_continue_while_the_server_is_down(driver: Driver, killable_server: Killable):
    result = while_the_server_dies(driver, killable_server, CHECKOUTS)
    assert (result.wrong, result.left, result.lost, result.doubled) == (0, 0, 0, 0)
    # A loaded machine may stop a thread between the timer and the answer; the goal of `make verify` is none.
    assert result.late <= CHECKOUTS // 100
    assert set(result.codes) == {"timeout", "network"}
    assert result.sent > 100


def test_faulty_network_loses_and_duplicates_no_outcome(driver: Driver, killable_server: Killable):
    result, faults = over_a_faulty_network(driver, killable_server, EVENTS)
    assert (result.left, result.lost, result.doubled) == (0, 0, 0)
    assert sum(faults.values()) - faults["pass"] > 5
