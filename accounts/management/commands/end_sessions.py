"""`manage.py end_sessions`: sign a user out everywhere through the service, with an event and a mail."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts import services
from accounts.management.users import get_user
from core.actor import Actor


class Command(BaseCommand):
    help = "End every session of a user and notify them by e-mail. They can sign in again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="e-mail address of the user")

    def handle(self, *args: Any, **options: Any) -> None:
        user = services.end_sessions(user=get_user(options["email"]), by=Actor.from_command("end_sessions"))
        self.stdout.write(f"All sessions of {user.email} have ended, and they are notified by e-mail.")
