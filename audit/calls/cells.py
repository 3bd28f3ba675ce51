"""What a row of the log's list shows of a call."""

from __future__ import annotations

from typing import Any

from django.utils.formats import localize
from django.utils.safestring import SafeString

from audit.calls.reasons import get_heading
from audit.models import Call

NOTHING = SafeString("–")


def build_cell_values(call: Call) -> dict[str, bool | str]:
    """Return the flags and texts of the row's template, which is rendered once for all rows with the same flags. The
    call must have the values that views.add_display_values adds."""
    shown: Any = call
    # Numbers and IDs are safe: escaping them would take a tenth of the time of a row.
    return {
        "is_folded": call.count > 1,
        "has_reason": bool(call.reason),
        "count": SafeString(call.count),
        "decision": call.decision,
        "position": SafeString(call.position),
        "request_id": SafeString(call.request_id),
        "request_line": shown.request_line,
        "api_name": shown.api_name,
        "key": call.key_name or call.key_id or NOTHING,
        "owner": call.owner or NOTHING,
        "module": shown.module_name or NOTHING,
        "address": call.client_address or NOTHING,
        "reason": get_heading(call),
        "status": NOTHING if call.status is None else SafeString(call.status),
        "duration": NOTHING if call.duration_ms is None else SafeString(f"{localize(call.duration_ms)} ms"),
        "bytes": NOTHING if call.bytes is None else SafeString(call.bytes),
        "proxy": call.proxy or NOTHING,
    }
