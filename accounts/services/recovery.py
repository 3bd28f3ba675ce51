"""Help for locked-out users, by Support and operators: remove lost second factors, appoint an Administrator."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.db import transaction

from accounts.models import Account, Invitation, User
from accounts.security_mails import format_actor, send_security_mail
from accounts.selectors import list_administrators
from accounts.services.invitations import add_invitation
from accounts.services.locks import Invalid, build_user_target, lock_for_change, lock_user
from accounts.services.roles import apply_roles
from accounts.services.sessions import delete_sessions
from accounts.signin.second_factors import FactorType, get_second_factors
from audit.trail.record import record
from core.actor import Actor
from core.authorization import Denied
from core.permissions import Permission, Role


@transaction.atomic
def remove_second_factors(*, user: User, by: Actor) -> User:
    """Remove the user's authenticator app, passkeys and recovery codes, end their sessions and notify them by mail.

    The password stays. Where a second factor is required, the next sign-in asks for a new one. Those of Support are
    removed by a command alone: otherwise an attacker with one of Support's users could take over another. Needs the
    confirmation "factors.remove" of the user's primary key. Raise Denied, ConfirmationRequired, Invalid.
    """
    lock_for_change(user.account, Permission.USERS_RECOVER, by)
    if user.account_id is None and by.kind != "command":
        raise Denied(Permission.USERS_RECOVER)
    user = lock_user(user)
    by.spend_confirmation("factors.remove", str(user.pk))
    types = get_second_factors(user)
    if not types:
        raise Invalid({"email": f"{user.email} has no second factor."})
    Authenticator.objects.filter(user=user).delete()
    delete_sessions(user)
    user.save(update_fields=["sessions_ended"])
    send_security_mail(user, "factors_removed", by=format_actor(by))
    factors = sorted("totp" if kind == FactorType.TOTP else "passkey" for kind in types)
    record("factors.removed", by=by, account_id=user.account_id, target=build_user_target(user), factors=factors)
    return user


def get_appointment_target(slug: str, email: str) -> str:
    """Return the target of an appointment's confirmation: the account and the e-mail."""
    return f"{slug} {email.strip().lower()}"


@transaction.atomic
def appoint_administrator(*, account: Account, email: str, by: Actor) -> User | Invitation:
    """Make an active user of the account its Administrator, or invite an e-mail that has no user yet as one.

    The account's other Administrators are notified by mail. Needs the confirmation "administrator.appoint" of
    `get_appointment_target`. Raise Denied, ConfirmationRequired, Invalid.
    """
    email = email.strip().lower()
    lock_for_change(account, Permission.USERS_RECOVER, by)
    by.spend_confirmation("administrator.appoint", get_appointment_target(account.slug, email))
    for other in list_administrators(account):
        facts = {"email": email, "account": account.name, "by": format_actor(by)}
        send_security_mail(other, "administrator_appointed", **facts)
    user = User.objects.select_for_update(no_key=True, of=("self",)).filter(email=email).first()
    if user is None:
        return add_invitation(account, email, [Role.ADMINISTRATOR], by).invitation
    if user.account_id != account.pk:
        raise Invalid({"email": f"{email} is not a user of {account.name}. Enter one of its users, or a new e-mail."})
    if not user.is_active:
        raise Invalid({"email": f"{email} is deactivated. Enter an active user of {account.name}, or a new e-mail."})
    if Role.ADMINISTRATOR in user.roles:
        raise Invalid({"email": f"{email} is an Administrator of {account.name} already."})
    return apply_roles(user, sorted({*user.roles, Role.ADMINISTRATOR}), by)
