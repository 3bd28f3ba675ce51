"""Invite, withdraw and accept: how users join an account.

Nothing reveals which e-mails are known: a known e-mail also gets a row, an event and a mail, but no link.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from accounts.models import Account, Invitation, User
from accounts.security_mails import format_actor
from accounts.services.locks import Invalid, build_user_target, lock_for_change, validate
from accounts.services.users import clean_roles, insert_user
from audit.trail.events import Target
from audit.trail.record import record
from core import mail
from core.actor import Actor
from core.authorization import AccountNotActive
from core.permissions import Permission

LIFETIME = timedelta(days=7)


class SentInvitation(NamedTuple):
    """An invitation, and its link, of which only a digest is stored."""

    invitation: Invitation
    link: str


class InvalidInvitation(Exception):
    """The link was used, withdrawn, replaced, has expired or never existed."""


@transaction.atomic
def invite(
    *, account: Account, email: str, roles: Iterable[str] = (), form_token: str = "", by: Actor
) -> SentInvitation:
    """Mail a link with which the recipient can join the account once. An earlier invitation of the same e-mail ends.
    Return it, for the inviter to pass on.

    Needs the confirmation "user.invite" of the form's token. Raise Denied, AccountNotActive, ConfirmationRequired,
    Invalid.
    """
    lock_for_change(account, Permission.USERS_CHANGE, by)
    by.spend_confirmation("user.invite", form_token)
    if problem := find_member_problem(account, email):
        raise Invalid({"email": problem})
    return add_invitation(account, email, roles, by)


def find_member_problem(account: Account, email: str) -> str:
    """Return why nobody of this e-mail can be invited: they are a user of this account already; empty if they can."""
    member = User.objects.filter(account=account, email=email.strip().lower()).first()
    if member is None:
        return ""
    if member.is_active:
        return f"{member.nickname} is already a user of this account."
    return f"{member.nickname} is a deactivated user of this account. Reactivate them instead."


def add_invitation(account: Account, email: str, roles: Iterable[str], by: Actor) -> SentInvitation:
    """Store the invitation, mail its link and record it. For services that hold the account's lock and have checked the
    permission. Raise Invalid."""
    email, token = email.strip().lower(), secrets.token_urlsafe(32)
    Invitation.objects.filter(account=account, email=email).delete()
    invitation = Invitation(
        account=account,
        email=email,
        roles=clean_roles(account, roles),
        inviter=by.label,
        digest=_digest(token),
        expires_at=timezone.now() + LIFETIME,
    )
    validate(invitation)
    invitation.save()
    link = mail.build_url("invitation", token)
    words = {"account": account.name, "inviter": format_actor(by)}
    if User.objects.filter(email=email).exists():
        mail.send("invitation_known", email, **words)
    else:
        mail.send("invitation", email, link=link, action="Accept the invitation", **words)
    record("user.invited", by=by, account_id=account.pk, target=_build_target(invitation), roles=invitation.roles)
    return SentInvitation(invitation, link)


@transaction.atomic
def withdraw_invitation(*, invitation: Invitation, by: Actor) -> None:
    """Delete the invitation, so that its link stops working. Raise Denied, AccountNotActive, or Invitation.DoesNotExist
    if it was accepted."""
    lock_for_change(invitation.account, Permission.USERS_CHANGE, by)
    invitation = Invitation.objects.select_for_update().get(pk=invitation.pk)
    target = _build_target(invitation)
    invitation.delete()
    record("invitation.withdrawn", by=by, account_id=invitation.account_id, target=target)


def find_invitation(token: str) -> Invitation | None:
    """Return the invitation that this link can accept, or None."""
    rows = Invitation.objects.select_related("account")
    return rows.filter(digest=_digest(token), expires_at__gt=timezone.now()).first()


@transaction.atomic
def accept_invitation(*, token: str, nickname: str, password: str, by: Actor) -> User:
    """Create the user whom the link is for. Raise InvalidInvitation, AccountNotActive, Invalid."""
    found = find_invitation(token)
    if found is None:
        raise InvalidInvitation
    account = Account.objects.select_for_update(no_key=True).get(pk=found.account_id)
    # Of two concurrent requests with the same link, the second finds it deleted.
    invitation = Invitation.objects.filter(pk=found.pk, digest=found.digest).first()
    if invitation is None or User.objects.filter(email=invitation.email).exists():
        raise InvalidInvitation
    if account.status == Account.Status.SUSPENDED:
        raise AccountNotActive(account.status)
    user = insert_user(account, email=invitation.email, nickname=nickname, password=password, roles=invitation.roles)
    invitation.delete()
    fields = {"inviter": invitation.inviter, "roles": user.roles}
    record("invitation.accepted", by=by, account_id=account.pk, target=build_user_target(user), **fields)
    return user


def _digest(token: str) -> bytes:
    # The token has 256 random bits, so a fast hash is enough.
    return hashlib.sha256(token.encode(errors="replace")).digest()


def _build_target(invitation: Invitation) -> Target:
    return Target("invitation", str(invitation.pk), invitation.email)
