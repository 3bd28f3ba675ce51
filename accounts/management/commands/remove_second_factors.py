"""`manage.py remove_second_factors`: remove the second factors of a user who has lost them, with an event and a
mail."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import services
from accounts.management.users import get_user
from accounts.signin.second_factors import is_second_factor_required
from core.actor import Actor


class Command(BaseCommand):
    help = (
        "Remove a user's authenticator app, passkeys and recovery codes, end their sessions and notify them by e-mail. "
        "Their password stays. First verify that the request comes from this person."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="e-mail address of the user, who may be Support")

    def handle(self, *args: Any, **options: Any) -> None:
        by = Actor.from_command("remove_second_factors")
        try:
            user = services.remove_second_factors(user=get_user(options["email"]), by=by)
        except services.Invalid as error:
            raise CommandError(services.format_errors(error)) from error
        next_step = (
            "they must add a new one at the next sign-in" if is_second_factor_required(user) else "none is required"
        )
        self.stdout.write(f"The second factors of {user.email} are removed and their sessions have ended; {next_step}.")
