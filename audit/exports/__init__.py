"""The logs as files: made over one snapshot, streamed in constant memory, signed, and told of in the trail."""

from __future__ import annotations

from audit.exports.file import Busy, CellTooLong, Export, TooManyRows, export
from audit.exports.manifest import Manifest, finished, manifest

__all__ = ["Busy", "CellTooLong", "Export", "Manifest", "TooManyRows", "export", "finished", "manifest"]
