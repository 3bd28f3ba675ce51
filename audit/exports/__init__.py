"""The logs as files: made over one snapshot, streamed in constant memory, signed, and told of in the trail."""

from __future__ import annotations

from audit.exports.file import Busy, CellTooLong, Export, TooManyRows, export
from audit.exports.lists import ListFile, deliver_list
from audit.exports.manifest import (
    Finished,
    Manifest,
    build_manifest,
    find_export,
    manifest_json,
    manifest_number,
    recent_exports,
    started_number,
)
from audit.exports.statement import manifest_name

__all__ = [
    "Busy",
    "CellTooLong",
    "Export",
    "Finished",
    "ListFile",
    "Manifest",
    "TooManyRows",
    "build_manifest",
    "deliver_list",
    "export",
    "find_export",
    "manifest_json",
    "manifest_name",
    "manifest_number",
    "recent_exports",
    "started_number",
]
