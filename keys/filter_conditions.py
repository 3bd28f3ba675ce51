"""What the filters of the list of keys ask for: their choices, and the conditions of these."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import DurationField, ExpressionWrapper, F, Q, Value
from django.db.models.functions import Coalesce, Now
from django.db.models.lookups import Exact, LessThan

from keys.models import NEVER
from keys.selectors.keys import build_restricted_condition

USED_AT = Coalesce("listing__used_at", Value(NEVER))
# The indexes of listings begin with the account; PostgreSQL does not infer this condition from the join.
LISTING_OF_ACCOUNT = Q(listing__account=F("account"))
UNUSED_CHOICES = (("30", "30 days"), ("90", "90 days"), ("180", "180 days"), ("never", "Never used"))
EXPIRY_CHOICES = (("7", "7 days"), ("14", "14 days"), ("30", "30 days"), ("90", "90 days"), ("never", "Never expires"))
ADDRESS_CHOICES = (("any", "Any address allowed"), ("restricted", "Addresses restricted"))
USER_STATUS_CHOICES = (("active", "User is active"), ("inactive", "User is not active"))
SECRET_CHOICES = (("old", "Old secret still works"),)
ROTATION_CHOICES = (
    ("scheduled", "Rotated by a schedule"),
    ("due", "Rotation is due"),
    ("none", "Not rotated by a schedule"),
)
AGE_CHOICES = (("90", "90 days"), ("180", "180 days"), ("365", "1 year"))


def build_interval(days: str) -> Value:
    """Return an interval of so many days."""
    return Value(timedelta(days=int(days)))


def build_unused_condition(days: str) -> Q:
    """Build the condition for keys not used for so many days; keys younger than that do not match."""
    if days == "never":
        return Q(Exact(USED_AT, Value(NEVER)))
    since = Now() - build_interval(days)
    return Q(LessThan(USED_AT, since), created_at__lt=since)


def build_expiry_condition(days: str) -> Q:
    """Build the condition for keys that expire within so many days, or never."""
    if days == "never":
        return Q(expires_at=None)
    return Q(expires_at__gt=Now(), expires_at__lte=Now() + build_interval(days))


def build_address_condition(choice: str) -> Q:
    """Build the condition for keys that are called from any address, or only from some."""
    return build_restricted_condition() if choice == "restricted" else ~build_restricted_condition()


def build_rotation_condition(choice: str) -> Q:
    """Build the condition for keys whose secret is changed by a schedule, should have been by now, or is not."""
    if choice == "due":
        interval = ExpressionWrapper(F("rotation_days") * Value(timedelta(days=1)), output_field=DurationField())
        return LISTING_OF_ACCOUNT & Q(rotation_days__isnull=False, listing__secret_made_at__lte=Now() - interval)
    return Q(rotation_days__isnull=choice == "none")
