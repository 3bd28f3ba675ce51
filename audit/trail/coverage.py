"""The columns of the trail, the API log, its digests and rollups that a verification covers, and by what.

Pages, filters and exports read no others: a test compares their models, their SQL and the tables with this.
"""

from __future__ import annotations

from audit.calls.row_text import COVERED, WHOLE

# Covered by the event's MAC, or part of the chain itself.
CHAINED = frozenset({"seq", "at", "body", "key_id", "prev", "mac"})
# Generated from the body, whose JSON is `j` here. Compared with it event by event; the columns' definitions are
# compared by audit.trail.database_objects.
GENERATED = {
    "name": "j ->> 'event'",
    "account_id": "(j ->> 'account_id')::bigint",
    "actor_kind": "j -> 'actor' ->> 'kind'",
    "actor_id": "j -> 'actor' ->> 'id'",
    "actor": "j -> 'actor' ->> 'label'",
    "target_kind": "j -> 'target' ->> 'kind'",
    "target_id": "j -> 'target' ->> 'id'",
    "target": "j -> 'target' ->> 'label'",
    "address": "(j ->> 'address')::inet",
    "request_id": "j ->> 'request_id'",
    "number": "(j ->> 'number')::bigint",
}
# Stated by a digest's signed document, whose JSON is `j` here.
DIGEST = {
    "account_id": "(j -> 'account' ->> 'id')::bigint",
    "number": "(j ->> 'number')::bigint",
    "since": "(j ->> 'since')::timestamptz",
    "until": "(j ->> 'until')::timestamptz",
    "late_until": "(j -> 'late' ->> 'until')::timestamptz",
    "last_event": "(j ->> 'chain')::bigint",
    "document": "document",
}
COVERAGE: dict[str, frozenset[str]] = {
    "audit_event": CHAINED | set(GENERATED),
    # An hour's first seal covers all but the late columns, its second all.
    "audit_call": COVERED[WHOLE],
    # Compared with the document, whose hash is in an event.
    "audit_digest": frozenset({"id", *DIGEST}),
    # Computed again from the sealed rows.
    "audit_rollup": frozenset({"hour", "account_id", "api", "key_id", "reason", "rows", "calls"}),
    "audit_rollup_total": frozenset({"hour", "account_id", "api", "reason", "rows", "calls"}),
}
