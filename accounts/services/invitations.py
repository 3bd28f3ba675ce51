"""Invitations: the way by which people come into an account.

Nobody learns from them which e-mails are known: a known e-mail gets a row, an event and a mail as well, only no link.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import Account, Invitation, User
from accounts.notices import format_actor
from accounts.services.locks import build_user_target, lock_for_change, validate
from accounts.services.users import clean_roles, insert_user
from audit.trail.events import Target
from audit.trail.record import record
from core import mail
from core.actor import Actor
from core.authorization import AccountNotActive
from core.permissions import Permission

LIFETIME = timedelta(days=7)


class InvalidInvitation(Exception):
    """The link was used, withdrawn, made anew, has expired, or never was one."""


@transaction.atomic
def invite(*, account: Account, email: str, roles: Iterable[str] = (), form_token: str = "", by: Actor) -> Invitation:
    """Mail a link that makes one user of the account, once. An earlier invitation of the same e-mail ends.

    Needs the confirmation "user.invite" of the form's token. Raises Denied, AccountNotActive, NotConfirmed, Invalid.
    """
    lock_for_change(account, Permission.USERS_CHANGE, by)
    by.spend_confirmation("user.invite", form_token)
    return add_invitation(account, email, roles, by)


def add_invitation(account: Account, email: str, roles: Iterable[str], by: Actor) -> Invitation:
    """Store the invitation, mail its link and record it: for services, which hold the account's lock and have asked
    the policy. Raise Invalid."""
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
    words = {"account": account.name, "inviter": format_actor(by)}
    if User.objects.filter(email=email).exists():
        mail.send("invitation_known", email, **words)
    else:
        mail.send("invitation", email, link=mail.build_url("invitation", token), **words)
    record("user.invited", by=by, account_id=account.pk, target=_build_target(invitation), roles=invitation.roles)
    return invitation


@transaction.atomic
def withdraw_invitation(*, invitation: Invitation, by: Actor) -> None:
    """Delete the invitation, so that its link ends. Raise Denied, AccountNotActive, or Invitation.DoesNotExist once it
    was accepted."""
    lock_for_change(invitation.account, Permission.USERS_CHANGE, by)
    invitation = Invitation.objects.select_for_update().get(pk=invitation.pk)
    target = _build_target(invitation)
    invitation.delete()
    record("invitation.withdrawn", by=by, account_id=invitation.account_id, target=target)


def find_invitation(token: str) -> Invitation | None:
    """Return the invitation that this link accepts, None if it accepts none."""
    rows = Invitation.objects.select_related("account")
    return rows.filter(digest=_digest(token), expires_at__gt=timezone.now()).first()


@transaction.atomic
def accept_invitation(*, token: str, nickname: str, password: str, by: Actor) -> User:
    """Make the user whom the link is for. Raises InvitationOver, AccountNotActive, Invalid."""
    found = find_invitation(token)
    if found is None:
        raise InvalidInvitation
    account = Account.objects.select_for_update(no_key=True).get(pk=found.account_id)
    # Of two who send the same link's form at once, the second finds it gone.
    invitation = Invitation.objects.filter(pk=found.pk, digest=found.digest).first()
    if invitation is None or User.objects.filter(email=invitation.email).exists():
        raise InvalidInvitation
    if account.status == Account.Status.SUSPENDED:
        raise AccountNotActive(account.status)
    user = insert_user(account, email=invitation.email, nickname=nickname, password=password, roles=invitation.roles)
    invitation.delete()
    told = {"inviter": invitation.inviter, "roles": user.roles}
    record("invitation.accepted", by=by, account_id=account.pk, target=build_user_target(user), **told)
    return user


def _digest(token: str) -> bytes:
    # The token is 256 random bits: nothing slower is needed.
    return hashlib.sha256(token.encode(errors="replace")).digest()


def _build_target(invitation: Invitation) -> Target:
    return Target("invitation", str(invitation.pk), invitation.email)
