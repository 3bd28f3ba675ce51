"""The only door through which keys change. Pages, commands and Support's admin call the same functions.

Order of locks: account, acting user, API, key, IP lists, chain. Every function is atomic and writes exactly one
event, last.
"""

from __future__ import annotations

from keys.key_settings import Invalid
from keys.services.bulk import TooMany, disable_many
from keys.services.creation import AlreadyCreated, Created, create
from keys.services.editing import Stale, edit
from keys.services.finding import find
from keys.services.locks import target_of
from keys.services.ownership import (
    deactivate_owner,
    hand_over,
    hand_over_and_deactivate,
    reactivate_owner,
    reassign,
)
from keys.services.revealing import NotRevealable, Unreadable, reveal
from keys.services.rotation import AlreadyChanged, Changed, NoOverlap, Overlap, change, end_overlap, extend_overlap
from keys.services.state import delete, disable, enable

__all__ = [
    "AlreadyChanged",
    "AlreadyCreated",
    "Changed",
    "Created",
    "Invalid",
    "NoOverlap",
    "NotRevealable",
    "Overlap",
    "Stale",
    "TooMany",
    "Unreadable",
    "change",
    "create",
    "deactivate_owner",
    "delete",
    "disable",
    "disable_many",
    "edit",
    "enable",
    "end_overlap",
    "extend_overlap",
    "find",
    "hand_over",
    "hand_over_and_deactivate",
    "reactivate_owner",
    "reassign",
    "reveal",
    "target_of",
]
