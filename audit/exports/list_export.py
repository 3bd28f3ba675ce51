"""Export a list (keys, users, IP lists): one event, and the file or a ZIP of it and its manifest, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from audit.exports.manifest import FinishedExport, format_manifest
from audit.exports.statement import build_file_name, build_manifest_name, build_statement
from audit.exports.zip import stream_zip
from audit.trail.events import Target
from audit.trail.record import record
from audit.trail.selectors import list_events
from core.accounts import Account
from core.actor import Actor


@dataclass(frozen=True, slots=True)
class ListFile:
    """A finished file: its bytes, what they hold, and the filters, as typed and in words."""

    content: bytes
    format: str
    rows: int
    columns: Collection[str]
    filters: Mapping[str, str]
    filters_in_words: Mapping[str, str]
    masking: str = "Not masked."


def deliver_list(
    event: str, file: ListFile, *, by: Actor, account: Account, target: Target | None = None, zip: bool = False
) -> tuple[str, bytes]:
    """Record the export in the caller's transaction and return the name and content of the file, or of a ZIP of it and
    its manifest. Call it last, because it calls `record`."""
    statement = build_statement(
        account, columns=file.columns, filters_in_words=file.filters_in_words, masking=file.masking
    )
    sha256 = hashlib.sha256(file.content).hexdigest()
    statement |= {"filters": dict(file.filters), "format": file.format, "rows": file.rows, "sha256": sha256}
    seq = record(event, by=by, account_id=account.pk, target=target, **statement)
    started = list_events(account.pk).get(seq=seq)
    name = build_file_name(started)
    if not zip:
        return name, file.content
    manifest = build_manifest_name(started), format_manifest(FinishedExport(started, file.rows, sha256))
    return build_file_name(started, "zip"), b"".join(stream_zip(name, [file.content], lambda: manifest))
