"""The only door through which keys change. Pages, commands and Support's admin call the same functions.

Order of locks: account, acting user, key, chain. Every function is atomic and writes exactly one event, last.
"""

from __future__ import annotations

from keys.services.creation import AlreadyCreated, Created, create
from keys.services.editing import Stale, edit
from keys.services.ownership import hand_over, hand_over_and_deactivate, reassign
from keys.services.revealing import NotRevealable, Unreadable, reveal
from keys.services.state import delete, disable, enable
from keys.terms import Invalid

__all__ = [
    "AlreadyCreated",
    "Created",
    "Invalid",
    "NotRevealable",
    "Stale",
    "Unreadable",
    "create",
    "delete",
    "disable",
    "edit",
    "enable",
    "hand_over",
    "hand_over_and_deactivate",
    "reassign",
    "reveal",
]
