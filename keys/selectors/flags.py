"""Determine whether a key's flags have an effect: Mask Phone Number also needs the account's phone masking."""

from __future__ import annotations

from accounts.models import Account
from keys.models import Key

NOT_IN_FORCE = "Yes, but has no effect"


def needs_account_masking(flag: str, account: Account) -> bool:
    """Return whether the flag has no effect because the account's phone masking is off."""
    return flag == "mask_phone" and not account.mask_phone


def format_flag(key: Key, flag: str) -> str:
    """Return the flag's state as text: Yes, No, or NOT_IN_FORCE."""
    if not getattr(key, flag):
        return "No"
    return NOT_IN_FORCE if needs_account_masking(flag, key.account) else "Yes"
