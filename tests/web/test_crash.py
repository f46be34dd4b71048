from benchmarks.checks.crash import crash


def test_a_killed_server_has_kept_what_it_acknowledged_once_and_goes_on() -> None:
    found = crash(2, seconds=(0.4, 0.9))

    assert found.rounds == 2
    assert found.decisions > 20
    assert found.outcomes > 20
    assert found.lost_decisions == found.lost_outcomes == found.counted_twice == 0
    assert found.wrong_sums == 0, "a rebuild from the log differs from what the server kept"
    assert found.refused == 0, "after the restart every outcome that got no answer is taken"
