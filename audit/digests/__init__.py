"""Digests: signed hourly statements about each account's calls and events, against which exports are verified."""

from __future__ import annotations

from audit.digests.build import DigestMismatch, make_digests
from audit.digests.files import NoDigests, build_digest_name, build_files, filter_range, list_digests

__all__ = [
    "DigestMismatch",
    "NoDigests",
    "build_digest_name",
    "build_files",
    "filter_range",
    "list_digests",
    "make_digests",
]
