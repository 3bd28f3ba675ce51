"""What this test wrote to the trail, which keeps what other tests committed."""

from __future__ import annotations

from django.db.models import QuerySet

from audit.models import Event

# The chain's last event when the test began; conftest sets it, for each test of the shared database.
began: int | None = None


def since_the_beginning() -> QuerySet[Event]:
    assert began is not None, "this test has a database of its own: read Event.objects"
    return Event.objects.filter(seq__gt=began).order_by("seq")


def get_event_number(seq: int) -> int:
    """Return the number, within its account, of the event at this place in the chain."""
    number = Event.objects.values_list("number", flat=True).get(seq=seq)
    assert number is not None
    return number
