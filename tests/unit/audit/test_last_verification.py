"""What readiness, metrics and doctor read of the last verification, an unreadable state included."""

import pytest

from audit.trail.last_verification import MAINTAIN_LATE_SECONDS, LastVerification, parse_last_verification

NOON = 1795953600.0


@pytest.mark.parametrize(
    ("body", "last"),
    [
        (None, LastVerification(None, 0)),
        ('{"at": "2026-11-29T12:00:00+00:00", "findings": []}', LastVerification(NOON, 0)),
        ('{"at": "2026-11-29T12:00:00+00:00", "findings": ["x", "y"]}', LastVerification(NOON, 2)),
        ("{}", LastVerification(None, 1)),
        ("[]", LastVerification(None, 1)),
        ("tampered", LastVerification(None, 1)),
    ],
)
def test_parsing_a_state(body: str | None, last: LastVerification) -> None:
    assert parse_last_verification(body) == last


@pytest.mark.parametrize(
    ("at", "late"), [(None, False), (NOON - MAINTAIN_LATE_SECONDS, False), (NOON - MAINTAIN_LATE_SECONDS - 1, True)]
)
def test_maintain_is_late_when_it_missed_two_runs(at: float | None, late: bool) -> None:
    assert LastVerification(at).is_late(NOON) == late
