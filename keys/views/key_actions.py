"""The words of what is done to a key, the same wherever it is offered. Templates repeat them; a test compares."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# By the name of the action's URL; that of several keys ends in "-some".
KEY_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "key-edit": "Edit",
        "key-disable": "Disable",
        "key-enable": "Enable",
        "key-change": "Change API key",
        "key-reassign": "Reassign",
        "key-delete": "Delete",
        "key-docs": "Doc",
        "key-docs-links": "Share doc",
        "key-call-download": "Call Download API doc",
        "key-overlap-end": "End it now",
        "key-overlap-extend": "Extend overlap",
    }
)
