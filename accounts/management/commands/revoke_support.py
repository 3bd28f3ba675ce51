"""`manage.py revoke_support`: take the role Support from a user and end their sessions."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import services
from accounts.management.users import get_user
from core.actor import Actor


class Command(BaseCommand):
    help = "Revoke Support from the user with this e-mail; their sessions end immediately."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="e-mail address of the Support user")

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user(options["email"])
        try:
            services.revoke_support(user=user, by=Actor.from_command("revoke_support"))
        except services.Invalid as error:
            raise CommandError(services.format_errors(error)) from error
        self.stdout.write(f"{user.email} is no longer Support; their sessions ended.")
