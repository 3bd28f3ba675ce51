"""`manage.py appoint_administrator`: give an account another Administrator, with an event and mails."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import services
from accounts.models import Account, Invitation
from core.actor import Actor


class Command(BaseCommand):
    help = (
        "Make an active user of an account its Administrator, or invite an e-mail that has no user yet as one. They "
        "and the account's other Administrators are notified by e-mail."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="slug of the account, such as acme")
        parser.add_argument("email", help="e-mail address of the new Administrator")

    def handle(self, *args: Any, **options: Any) -> None:
        slug, email = options["account"].strip().lower(), options["email"].strip().lower()
        account = Account.objects.filter(slug=slug).first()
        if account is None:
            raise CommandError(f"account: there is no account {slug}.")
        by = Actor.from_command("appoint_administrator")
        try:
            user = services.appoint_administrator(account=account, email=email, by=by)
        except services.Invalid as error:
            raise CommandError(services.format_errors(error)) from error
        if isinstance(user, Invitation):
            self.stdout.write(f"{email} is invited as an Administrator of {slug}; the link works for seven days.")
        else:
            self.stdout.write(
                f"{email} is an Administrator of {slug}; their sessions have ended, and they are notified by e-mail."
            )
