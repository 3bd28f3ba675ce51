"""The only code that writes keys. Pages, commands and Support's admin call these functions.

Lock order: account, acting user, API, key, IP lists, audit chain. Every function is atomic and records exactly one
event, last.
"""

from __future__ import annotations

from keys.key_settings import Invalid
from keys.services.access_check import check_access
from keys.services.bulk import (
    BulkResult,
    TooManyKeys,
    build_selection_target,
    change_many,
    disable_many,
    edit_many,
    enable_many,
    reassign_many,
)
from keys.services.creation import AlreadyCreated, CreatedKey, create
from keys.services.docs_links import TooManyLinks, create_docs_link, revoke_docs_link
from keys.services.editing import EditConflict, edit
from keys.services.finding import find
from keys.services.locks import build_key_target
from keys.services.offboarding import KEEP, KeyPlan, find_plan_problems, offboard
from keys.services.ownership import (
    deactivate_owner,
    hand_over,
    reactivate_owner,
    reassign,
)
from keys.services.revealing import NotRevealable, UnreadableSecret, reveal
from keys.services.rotation import (
    AlreadyChanged,
    ChangedKey,
    NoOverlap,
    Overlap,
    change,
    end_overlap,
    extend_overlap,
    get_latest_overlap_end,
)
from keys.services.scheduled_rotation import RotationRun, rotate_due_keys
from keys.services.state import delete, disable, enable

__all__ = [
    "KEEP",
    "AlreadyChanged",
    "AlreadyCreated",
    "BulkResult",
    "ChangedKey",
    "CreatedKey",
    "EditConflict",
    "Invalid",
    "KeyPlan",
    "NoOverlap",
    "NotRevealable",
    "Overlap",
    "RotationRun",
    "TooManyKeys",
    "TooManyLinks",
    "UnreadableSecret",
    "build_key_target",
    "build_selection_target",
    "change",
    "change_many",
    "check_access",
    "create",
    "create_docs_link",
    "deactivate_owner",
    "delete",
    "disable",
    "disable_many",
    "edit",
    "edit_many",
    "enable",
    "enable_many",
    "end_overlap",
    "extend_overlap",
    "find",
    "find_plan_problems",
    "get_latest_overlap_end",
    "hand_over",
    "offboard",
    "reactivate_owner",
    "reassign",
    "reassign_many",
    "reveal",
    "revoke_docs_link",
    "rotate_due_keys",
]
