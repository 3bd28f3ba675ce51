"""The function with which the gateway ends an overlap: it calls the key service in a thread, on its own database
connection.

See docs/adr/0005-the-gateway-ends-an-overlap-by-the-service.md.
"""

from __future__ import annotations

from uuid import UUID

from django.db import close_old_connections, connection

from core.actor import Actor
from keys.services.overlap import end_early


def end_overlap(old: UUID, address: str, request_id: str) -> None:
    """Retire the old secret with its event, on behalf of the client whose call used the new one."""
    close_old_connections()
    by = Actor("system", "gateway", "The first use of the new secret", address, request_id)
    try:
        end_early(secret_id=old, by=by)
    except Exception:
        # The connection may be broken: the next call opens a new one.
        connection.close()
        raise
