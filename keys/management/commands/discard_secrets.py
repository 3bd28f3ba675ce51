"""`manage.py discard_secrets`: give up what needs a key of a ring that is lost for good."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.services import format_errors
from core.actor import Actor
from keys.key_settings import Invalid
from keys.services import lost_keys


class Command(BaseCommand):
    help = (
        "Discard the secrets that need a lost key of SEALING_KEYS, SIGNING_KEYS or TOKEN_PEPPERS, so that serve starts "
        "without it. Cannot be undone: put the key back instead, if a copy of it is anywhere. Run reseal first, which "
        "saves what can be saved. Names the keys that must be changed and the users who lost their second factors."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ring", help=f"one of {', '.join(lost_keys.RINGS)}")
        parser.add_argument("number", type=int, help="number of the lost key in the ring, such as 1")

    def handle(self, *args: Any, **options: Any) -> None:
        ring, number = options["ring"], options["number"]
        try:
            keys, users = lost_keys.discard_secrets(ring=ring, number=number, by=Actor.from_command("discard_secrets"))
        except Invalid as error:
            raise CommandError(format_errors(error)) from error
        effect = "works; its token cannot be revealed" if ring == "SEALING_KEYS" else "is refused until it is changed"
        for key in keys:
            self.stdout.write(f"{key.account.slug} {key.public_id} {effect}.")
        for user in users:
            self.stdout.write(f"{user.email} no longer has a second factor, and is notified by e-mail.")
        self.stdout.write(f"Discarded what needed {ring} {number}: {len(keys)} keys, {len(users)} users.")
