"""The kinds of notices, with their names in webhooks and on pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db import models


class Kind(models.TextChoices):
    """The value is `type` in the body of a webhook: permanent, as receivers depend on it."""

    KEY_EXPIRING = "key.expiring", "Key expires"
    KEY_ROTATION_UPCOMING = "key.rotation_upcoming", "Secret will be changed on schedule"
    KEY_ROTATED = "key.rotated", "Secret was changed on schedule"
    KEY_NEW_NETWORK = "key.new_network", "Key used from a new network"
    REFUSALS_RISING = "refusals.rising", "Refusals rise"
    OVERLAP_ENDING = "overlap.ending", "Old secret ends soon"
    OVERLAP_ENDED_IN_USE = "overlap.ended_in_use", "Old secret ended while used"
    GRANTS_UNUSED = "grants.unused", "Unused grants"
    WEBHOOK_FAILING = "webhook.failing", "Webhook fails"


@dataclass(frozen=True, slots=True)
class KindDetails:
    """When notices of the kind are made, in words for the settings page, and whether the key's owner is mailed too."""

    help: str
    to_owner: bool


KINDS: dict[Kind, KindDetails] = {
    Kind.KEY_EXPIRING: KindDetails("30 days, 7 days and 1 day before a key expires.", to_owner=True),
    Kind.KEY_ROTATION_UPCOMING: KindDetails("7 days and 1 day before the secret is changed.", to_owner=True),
    Kind.KEY_ROTATED: KindDetails("When the secret was changed and the old one still works.", to_owner=True),
    Kind.KEY_NEW_NETWORK: KindDetails(
        "When calls with a key are allowed from a network it was not used from before (/24 of IPv4, /48 of IPv6).",
        to_owner=True,
    ),
    Kind.REFUSALS_RISING: KindDetails(
        "When a key has 50 or more refused calls in an hour (an account 200 or more), and three times as many as in "
        "the worst hour of the seven days before. At most once a day.",
        to_owner=True,
    ),
    Kind.OVERLAP_ENDING: KindDetails(
        "24 hours before the overlap of an old secret ends, and again 4 hours before if it was used recently.",
        to_owner=True,
    ),
    Kind.OVERLAP_ENDED_IN_USE: KindDetails(
        "When the overlap of an old secret ended although it was used recently, or when calls with it are refused "
        "afterwards.",
        to_owner=True,
    ),
    Kind.GRANTS_UNUSED: KindDetails(
        "Once a month, how many keys, modules, addresses, IP list entries and old secrets are unused, if any are.",
        to_owner=False,
    ),
    Kind.WEBHOOK_FAILING: KindDetails(
        "When a notice to a webhook endpoint is given up; once, until one is delivered again.", to_owner=False
    ),
}

# Sent by "Send test", to one endpoint; not to be switched.
TEST = "webhook.test"


# How long notices are kept: they prevent that something is said twice.
NOTICE_RETENTION = timedelta(days=400)
