"""The supervisor's answers to signals, without a plane."""

from __future__ import annotations

import signal

import pytest
from structlog.testing import capture_logs

from config.serve.supervisor import StopRequested, Supervisor, handle_signals


@pytest.mark.parametrize(("number", "delays"), [(signal.SIGTERM, True), (signal.SIGINT, False)])
def test_a_signal_that_comes_while_readiness_is_announced_is_one_that_comes_after(
    number: signal.Signals, delays: bool
) -> None:
    def announce() -> None:
        signal.raise_signal(number)

    supervisor = Supervisor([], lambda: None, shutdown_delay_seconds=0.01)
    with handle_signals(lambda: None), capture_logs() as logged, pytest.raises(StopRequested, match=number.name):
        supervisor.run(lambda: True, announce)
    assert any("readiness fails" in line["event"] for line in logged) == delays
