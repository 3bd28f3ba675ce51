"""`manage.py changepassword`: set a user's password through the service, with an event and a mail."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import services
from accounts.management.passwords import read_password
from accounts.management.users import get_user
from core.actor import Actor


class Command(BaseCommand):
    help = (
        "Set a user's password; all of their sessions end, and they are notified by e-mail. The password is "
        "prompted for, read from standard input if that is not a terminal, or taken from KEYWARD_PASSWORD; it is never "
        "an argument, which other users of the machine can see."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="e-mail address of the user")

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user(options["email"])
        try:
            services.set_password(user=user, password=read_password(), by=Actor.from_command("changepassword"))
        except services.Invalid as error:
            raise CommandError(services.format_errors(error)) from error
        self.stdout.write(
            f"The password of {user.email} is changed; their sessions have ended, and they are notified by e-mail."
        )
