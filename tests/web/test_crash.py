from benchmarks.checks.crash import crash


def test_killed_server_keeps_acknowledged_decisions_once_and_restarts() -> None:
    result = crash(1, seconds=(0.6, 0.9))

    assert result.rounds == 1
    assert result.decisions > 20
    assert result.outcomes > 20
    assert result.lost_decisions == result.lost_outcomes == result.counted_twice == 0
    assert result.wrong_sums == 0, "a rebuild from the log differs from what the server kept"
    assert result.refused == 0, "after the restart every outcome that got no answer is taken"
