"""Format a key's flags and the policy's fields. Mask Phone Number also needs the account's phone masking."""

from __future__ import annotations

from accounts.models import Account
from keys.apis.policy import Field
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


def format_field(key: Key, field: Field) -> str:
    """Return the value of the policy's field; of a choice, its label."""
    value = key.fields.get(field.slug, field.value)
    return {choice.slug: choice.label for choice in field.choices}.get(value, value)
