"""`manage.py grant_support`: make a user Support, who works on all accounts and belongs to none."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts import services
from accounts.management.passwords import read_password
from accounts.models import User
from core.actor import Actor


class Command(BaseCommand):
    help = (
        "Grant Support to the user with this e-mail, who is created if there is none. The password of a new user is "
        "prompted for, or read from standard input if that is not a terminal, or from KEYWARD_PASSWORD. They add a "
        "second factor when they first sign in."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="e-mail address; not that of a user of an account")

    def handle(self, *args: Any, **options: Any) -> None:
        by, email = Actor.from_command("grant_support"), options["email"].strip().lower()
        user = User.objects.filter(email=email).first()
        password = "" if user else read_password()
        try:
            with transaction.atomic():
                if user is None:
                    nickname = email.partition("@")[0]
                    user = services.create_user(account=None, email=email, nickname=nickname, password=password, by=by)
                services.grant_support(user=user, by=by)
        except services.Invalid as error:
            raise CommandError(services.format_errors(error)) from error
        self.stdout.write(f"{email} is Support.")
