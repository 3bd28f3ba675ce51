"""What this test wrote to the trail, which keeps what other tests committed."""

from __future__ import annotations

from django.db.models import QuerySet

from audit.models import Event

# The chain's last event when the test began; conftest sets it.
began = 0


def since_the_beginning() -> QuerySet[Event]:
    return Event.objects.filter(seq__gt=began).order_by("seq")


def get_event_number(seq: int) -> int:
    """Return the number, within its account, of the event at this place in the chain."""
    number = Event.objects.values_list("number", flat=True).get(seq=seq)
    assert number is not None
    return number
