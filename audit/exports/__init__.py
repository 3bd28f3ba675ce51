"""Exports: files of both logs and of lists, with signed manifests and events in the trail."""

from __future__ import annotations

from audit.exports.file import CellTooLong, Export, TooManyExports, TooManyRows, start_export
from audit.exports.list_export import ListFile, deliver_list
from audit.exports.manifest import (
    FinishedExport,
    Manifest,
    build_manifest,
    find_export,
    find_export_number,
    find_manifest_number,
    format_manifest,
    list_recent_exports,
)
from audit.exports.statement import build_manifest_name

__all__ = [
    "CellTooLong",
    "Export",
    "FinishedExport",
    "ListFile",
    "Manifest",
    "TooManyExports",
    "TooManyRows",
    "build_manifest",
    "build_manifest_name",
    "deliver_list",
    "find_export",
    "find_export_number",
    "find_manifest_number",
    "format_manifest",
    "list_recent_exports",
    "start_export",
]
