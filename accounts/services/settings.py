"""Change the account's settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from django.db import transaction

from accounts.models import Account
from accounts.services.locks import Invalid, build_account_target, lock_for_change, validate
from audit.trail.record import record
from core.actor import Actor
from core.permissions import Permission
from core.phone_masking import MAX_DIGITS, MIN_DIGITS


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of an account: `mask_digits` of a phone number stay visible at its `mask_side`; `key_lifetime_days`
    is None for no limit."""

    name: str
    mask_phone: bool
    mask_digits: int
    mask_side: str
    second_factor_required: bool
    key_lifetime_days: int | None

    @classmethod
    def from_account(cls, account: Account) -> Settings:
        return cls(**{name: getattr(account, name) for name in cls.__dataclass_fields__})

    def reveals_more(self, before: Settings) -> bool:
        """Return whether these settings show whole phone numbers that the previous ones hid."""
        return before.get_max_unmasked_digits() < self.get_max_unmasked_digits()

    def get_max_unmasked_digits(self) -> int:
        """Return the length of the longest phone number that is shown whole."""
        if not self.mask_phone:
            return MAX_DIGITS
        return self.mask_digits if self.mask_digits >= MIN_DIGITS else 0


@transaction.atomic
def change_settings(*, account: Account, settings: Settings, by: Actor) -> Account:
    """Save the settings. Turning masking off needs the confirmation "settings.unmask" of the account's slug.

    Raise Denied, AccountNotActive, ConfirmationRequired, Invalid.
    """
    row = lock_for_change(account, Permission.USERS_CHANGE, by)
    if row is None:
        raise Invalid({"account": "Settings belong to an account."})
    before = Settings.from_account(row)
    for name, value in asdict(settings).items():
        setattr(row, name, value)
    validate(row, line="name")
    after = Settings.from_account(row)
    if after == before:
        return row
    if after.reveals_more(before):
        by.spend_confirmation("settings.unmask", row.slug)
    old, new = asdict(before), asdict(after)
    changed = {name: [old[name], new[name]] for name in old if old[name] != new[name]}
    row.save(update_fields=list(changed))
    record("settings.changed", by=by, account_id=row.pk, target=build_account_target(row), changes=changed)
    return row
