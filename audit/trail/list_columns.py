"""The columns of the page of the audit trail."""

from __future__ import annotations

from audit.trail.filters import EventFilter
from core.columns import ListColumns, register_list
from core.permissions import Permission

TRAIL = register_list(
    ListColumns(
        "trail",
        "Audit trail",
        "trail-list",
        Permission.TRAIL_SEE,
        {
            "time": "Time",
            "event": "Event",
            "by": "By",
            "object": "Object",
            "name": "Event name",
            "from": "From",
            "request_id": "Request ID",
            "number": "Number",
        },
        default=("time", "event", "from", "number"),
        always=("time", "event"),
        numbers=("number",),
        clocks=("time",),
        filters=EventFilter.base_filters,
    )
)
