"""Describe a manifest in words. examples/verify_export.py prints the same words; a test compares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def describe_manifest(manifest: Mapping[str, Any]) -> list[str]:
    """Return the statements of a signed manifest, one a line."""
    bounds, by = manifest["range"], manifest["exporter"]
    filters = "; ".join(f"{label}: {value}" for label, value in manifest["filters"].items())
    facts = {
        "Account": manifest["account"],
        "Content": f"{manifest['content']}, as {manifest['format']}",
        "Range": f"from {bounds['from'] or 'the first row'} to before {bounds['to']}",
        "Filters": filters or "none",
        "Masking": manifest["masking"],
        "Rows": manifest["rows"],
        "Columns": f"{len(manifest['columns'])}: {', '.join(manifest['columns'])}",
        "Exported by": f"{by['label']} ({by['kind']} {by['id']}), {manifest['at']}, with Keyward {manifest['version']}",
        "File": manifest["file"],
        "SHA-256": manifest["sha256"],
    }
    return [f"{label + ':':<13}{_printable(str(value))}" for label, value in facts.items()]


def _printable(text: str) -> str:
    """Escape control characters: filters hold what people typed, which must not control a terminal or fake a line."""
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)
