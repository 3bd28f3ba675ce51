"""Django's `createsuperuser`, refused."""

from __future__ import annotations

from config.refused_commands import RefusedCommand


class Command(RefusedCommand):
    why = "It would make a user without an event."
    instead = "Use create_account for an account with its first Administrator, grant_support for Support."
