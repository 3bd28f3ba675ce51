"""The only code that writes keys. Pages, commands and Support's admin call these functions.

Lock order: account, acting user, API, key, IP lists, audit chain. Every function is atomic and records exactly one
event, last.
"""

from __future__ import annotations

from keys.key_settings import Invalid
from keys.services.bulk import TooManyKeys, disable_many
from keys.services.creation import AlreadyCreated, CreatedKey, create
from keys.services.editing import EditConflict, edit
from keys.services.finding import find
from keys.services.locks import build_key_target
from keys.services.ownership import (
    deactivate_owner,
    hand_over,
    hand_over_and_deactivate,
    reactivate_owner,
    reassign,
)
from keys.services.revealing import NotRevealable, UnreadableSecret, reveal
from keys.services.rotation import AlreadyChanged, ChangedKey, NoOverlap, Overlap, change, end_overlap, extend_overlap
from keys.services.state import delete, disable, enable

__all__ = [
    "AlreadyChanged",
    "AlreadyCreated",
    "ChangedKey",
    "CreatedKey",
    "EditConflict",
    "Invalid",
    "NoOverlap",
    "NotRevealable",
    "Overlap",
    "TooManyKeys",
    "UnreadableSecret",
    "build_key_target",
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
]
