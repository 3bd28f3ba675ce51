"""allauth's `account_unsetmultipleprimaryemails`, refused."""

from __future__ import annotations

from config.refused_commands import RefusedCommand


class Command(RefusedCommand):
    instead = "People have one e-mail each, in Keyward's own table: there is nothing to repair."
