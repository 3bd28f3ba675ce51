"""What every service of accounts and users begins and ends with."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db.models import Model

from accounts.models import Account, User
from audit.trail.events import Target
from core import authorization
from core.actor import Actor
from core.authorization import AccountNotActive
from core.permissions import Permission, Role


class Invalid(ValidationError):
    """What was given cannot be stored; `message_dict` says for each field why, and what would be right."""


def format_errors(problem: Invalid) -> str:
    """For a command's operator: a line for each field."""
    return "\n".join(f"{field}: {' '.join(messages)}" for field, messages in problem.message_dict.items())


class LastAdministrator(Exception):
    """The account would be left without an active Administrator, and nobody in it could let another one in."""

    def __init__(self) -> None:
        super().__init__("This is the account's last active Administrator. Make someone else an Administrator first.")


def lock_for_change(account: Account | None, permission: Permission, by: Actor) -> Account | None:
    """The account as it is now, locked until the commit, if the actor may do this in it.

    Whoever administers one account works one after the other. A suspended account is changed by Support and commands
    alone. Raises Denied, AccountNotActive.
    """
    account = account and Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    authorization.require(by, permission, account=account)
    if account is not None and account.status == Account.Status.SUSPENDED and _is_member(by):
        raise AccountNotActive(account.status)
    return account


def lock_user(user: User) -> User:
    """The user as they are now, locked until the commit; after the account."""
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def require_other_administrator(user: User) -> None:
    """Raises LastAdministrator unless someone else is left. The caller holds the account's lock."""
    if user.account_id is None or not user.is_active or Role.ADMINISTRATOR not in user.roles:
        return
    others = User.objects.filter(account=user.account_id, is_active=True, roles__contains=[Role.ADMINISTRATOR])
    if not others.exclude(pk=user.pk).exists():
        raise LastAdministrator


def validate(row: Model) -> None:
    """Field by field and against the database's constraints, with messages for people."""
    try:
        row.full_clean()
    except ValidationError as error:
        raise Invalid(error.message_dict) from error


def clean_line(text: str, field: str) -> str:
    """One line of text that a person can read: it goes into headers, logs, mails and pages."""
    text = text.strip()
    if not text.isprintable():
        raise Invalid({field: f"{text!r} holds characters that cannot be seen. Use letters, digits, signs and spaces."})
    return text


def build_account_target(account: Account) -> Target:
    return Target("account", account.slug, account.name)


def build_user_target(user: User) -> Target:
    return Target("user", str(user.pk), user.email)


def _is_member(by: Actor) -> bool:
    return by.kind == "user" and User.objects.filter(pk=by.id, account__isnull=False).exists()
