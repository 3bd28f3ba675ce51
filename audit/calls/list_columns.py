"""The columns of the page of the API log."""

from __future__ import annotations

from audit.calls.filters import CallFilter
from core.columns import ListColumns, register_list
from core.permissions import Permission

LOG = register_list(
    ListColumns(
        "log",
        "API logs",
        "log-list",
        Permission.LOG_SEE,
        {
            "time": "Time",
            "decision": "Decision",
            "request": "Request",
            "api": "API",
            "key": "Key",
            "owner": "Owner",
            "module": "Module",
            "address": "Client address",
            "reason": "Reason",
            "status": "Status",
            "duration": "Duration",
            "bytes": "Bytes",
            "proxy": "Proxy",
            "request_id": "Request ID",
        },
        default=("time", "decision", "request", "api", "key", "address", "reason", "status"),
        always=("time",),
        numbers=("status", "duration", "bytes"),
        clocks=("time",),
        filters=CallFilter.base_filters,
        is_printed_whole=False,
    )
)
