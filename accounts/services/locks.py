"""Row locks, validation and event targets shared by the services of accounts and users."""

from __future__ import annotations

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db.models import Model

from accounts.models import Account, User
from accounts.selectors import list_administrators
from audit.trail.events import Target
from core import authorization
from core.actor import Actor
from core.authorization import AccountNotActive
from core.permissions import Permission, Role


class Invalid(ValidationError):
    """The input is not valid; `message_dict` says for each field what is wrong and what would be valid."""


def format_errors(problem: Invalid) -> str:
    """Return the errors as text for commands, one line for each field."""
    return "\n".join(f"{field}: {' '.join(messages)}" for field, messages in problem.message_dict.items())


class LastAdministrator(Exception):
    """The change would leave the account without an active Administrator."""

    def __init__(self) -> None:
        super().__init__("This is the account's last active Administrator. Make another user an Administrator first.")


def lock_for_change(account: Account | None, permission: Permission, by: Actor) -> Account | None:
    """Lock the account until the commit and return its current row; None for None.

    The lock serialises the changes to one account. Raise Denied unless the actor has the permission, AccountNotActive
    for a member of a suspended account, which only Support and commands may change.
    """
    account = account and Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    authorization.require(by, permission, account=account)
    if account is not None and account.status == Account.Status.SUSPENDED and _is_member(by):
        raise AccountNotActive(account.status)
    return account


def lock_user(user: User) -> User:
    """Lock the user's row until the commit and return it. Lock order: after the account."""
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def require_other_administrator(user: User) -> None:
    """Raise LastAdministrator if the user is the account's only active one. The caller holds the account's lock."""
    if user.account is None or not user.is_active or Role.ADMINISTRATOR not in user.roles:
        return
    if not list_administrators(user.account).exclude(pk=user.pk).exists():
        raise LastAdministrator


def validate(row: Model, *, line: str = "", without: Collection[str] = ()) -> None:
    """Validate the row's fields, `without` some, and its constraints. The field `line` is stripped, and must not have
    control characters and line breaks, which headers and logs must not have. Raise Invalid with every error."""
    errors, unprintable = {}, {}
    if line:
        text = getattr(row, line).strip()
        setattr(row, line, text)
        if not text.isprintable():
            why = f"{text!r} contains invisible characters. Use letters, digits, punctuation and spaces."
            unprintable[line] = [why]
    try:
        row.full_clean(exclude={*without, *unprintable})
    except ValidationError as problem:
        errors = problem.message_dict
    if errors := errors | unprintable:
        raise Invalid(errors)


def build_account_target(account: Account) -> Target:
    return Target("account", account.slug, account.name)


def build_user_target(user: User) -> Target:
    return Target("user", str(user.pk), user.email)


def _is_member(by: Actor) -> bool:
    return by.kind == "user" and User.objects.filter(pk=by.id, account__isnull=False).exists()
