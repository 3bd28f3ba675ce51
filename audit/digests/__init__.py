"""Digests: signed hourly statements of what each account's calls and events were, to check exports against."""

from __future__ import annotations

from audit.digests.build import make_digests
from audit.digests.files import NoDigests, build_digest_name, build_files, filter_range, list_digests

__all__ = ["NoDigests", "build_digest_name", "build_files", "filter_range", "list_digests", "make_digests"]
