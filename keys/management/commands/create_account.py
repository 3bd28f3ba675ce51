"""`manage.py create_account`: create an account and its first Administrator, who invites everyone else."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.urls import reverse

from accounts import services
from accounts.management.passwords import read_password
from accounts.models import Account
from core.actor import Actor
from core.permissions import Role
from core.program import PROGRAM
from keys.models import Api


class Command(BaseCommand):
    help = (
        "Create an account and its first Administrator. The password is prompted for, or read from standard input if "
        "that is not a terminal, or from KEYWARD_PASSWORD. It is not an argument, because other users can see those."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="name in URLs and headers, such as acme")
        parser.add_argument("name", help="the organisation's name, such as 'Acme Ltd'")
        parser.add_argument("email", help="e-mail address of the first Administrator")
        parser.add_argument("nickname", help="the Administrator's nickname, unique in the account")
        parser.add_argument(
            "--pending", action="store_true", help="create the account pending, for Support to activate"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        password = read_password()
        by = Actor.from_command("create_account")
        status = Account.Status.PENDING if options["pending"] else Account.Status.ACTIVE
        new_account = {"slug": options["slug"], "name": options["name"], "status": status}
        new_user = {"email": options["email"], "nickname": options["nickname"], "password": password}
        try:
            _validate(new_account, new_user)
            with transaction.atomic():
                account = services.create_account(**new_account, by=by)
                user = services.create_user(account=account, **new_user, roles=[Role.ADMINISTRATOR], by=by)
        except services.Invalid as error:
            raise CommandError(services.format_errors(error)) from error
        self.stdout.write(f"Created the account {account.slug} ({account.status}) with {user.email} as Administrator.")
        self.stdout.write(_next_step(account))


def _validate(new_account: dict[str, str], new_user: dict[str, str]) -> None:
    """Raise Invalid with the errors of both."""
    errors: dict[str, list[str]] = {}
    try:
        services.build_account(**new_account)
    except services.Invalid as problem:
        errors |= problem.message_dict
    try:
        # Without the account, which may not be valid: a new one has no user whose nickname is taken.
        services.build_user(None, **new_user, roles=[])
    except services.Invalid as problem:
        errors |= problem.message_dict
    if errors:
        raise services.Invalid(errors)


def _next_step(account: Account) -> str:
    """Return what must happen before the account can have keys, and who does it."""
    page = f"{settings.BASE_URL}{reverse('admin:accounts_account_change', args=[account.pk])}"
    known = ", ".join(Api.objects.order_by("slug").values_list("slug", flat=True)) or f"none yet: {PROGRAM} import_api"
    activate = "" if account.status == Account.Status.ACTIVE else "activates it and "
    return (
        f"Next: Support {activate}enables its APIs at {page}. APIs can also be enabled with {PROGRAM} enable_api API "
        f"{account.slug} (API is one of: {known})."
    )
