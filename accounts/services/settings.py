"""What an account's Administrators decide for all of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from django.db import transaction

from accounts.models import Account
from accounts.services.locks import Invalid, admitted, line, of_account, validate
from audit.trail.record import record
from core.actor import Actor
from core.permissions import Permission
from core.phone_masking import MAX_DIGITS, MIN_DIGITS


@dataclass(frozen=True, slots=True)
class Settings:
    """`mask_digits` of a phone number stay visible at its `mask_side`; `key_lifetime_days` is None for no limit."""

    name: str
    mask_phone: bool
    mask_digits: int
    mask_side: str
    second_factor_required: bool
    key_lifetime_days: int | None

    @classmethod
    def of(cls, account: Account) -> Settings:
        return cls(**{name: getattr(account, name) for name in cls.__dataclass_fields__})

    def unmasks(self, before: Settings) -> bool:
        """Whether whole phone numbers can be read that could not be before."""
        return before.shown_whole() < self.shown_whole()

    def shown_whole(self) -> int:
        """The most digits that a number may have to be shown whole."""
        if not self.mask_phone:
            return MAX_DIGITS
        return self.mask_digits if self.mask_digits >= MIN_DIGITS else 0


@transaction.atomic
def change_settings(*, account: Account, settings: Settings, by: Actor) -> Account:
    """Turning masking off needs the confirmation "settings.unmask" of the account's slug.

    Raises Denied, AccountNotActive, NotConfirmed, Invalid.
    """
    row = admitted(account, Permission.USERS_CHANGE, by)
    if row is None:
        raise Invalid({"account": "Settings belong to an account."})
    before = Settings.of(row)
    for name, value in asdict(settings).items():
        setattr(row, name, value)
    row.name = line(settings.name, "name")
    validate(row)
    after = Settings.of(row)
    if after == before:
        return row
    if after.unmasks(before):
        by.spend_confirmation("settings.unmask", row.slug)
    old, new = asdict(before), asdict(after)
    changed = {name: [old[name], new[name]] for name in old if old[name] != new[name]}
    row.save(update_fields=list(changed))
    record("settings.changed", by=by, account_id=row.pk, target=of_account(row), changes=changed)
    return row
