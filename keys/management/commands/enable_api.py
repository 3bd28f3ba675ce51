"""`manage.py enable_api`: allow an account to have keys of an API."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Account
from core.actor import Actor
from core.program import PROGRAM
from keys import apis
from keys.models import Api


class Command(BaseCommand):
    help = "Enable an API for an account, so that it can have keys of the API. Accounts see only their enabled APIs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("api", help="the API's slug, such as billing")
        parser.add_argument("account", help="the account's slug, such as acme")

    def handle(self, *args: Any, **options: Any) -> None:
        api = Api.objects.filter(slug=options["api"]).first()
        if api is None:
            known = ", ".join(Api.objects.order_by("slug").values_list("slug", flat=True))
            raise CommandError(f"There is no API {options['api']!r}. The APIs are {known or 'none'}.")
        account = Account.objects.filter(slug=options["account"]).first()
        if account is None:
            raise CommandError(f"There is no account {options['account']!r}. Create it with {PROGRAM} create_account.")
        new = apis.enable(api=api, account=account, by=Actor.from_command("enable_api"))
        self.stdout.write(f"{account.name} {'now has' if new else 'already had'} the API {api.slug} ({api.name}).")
