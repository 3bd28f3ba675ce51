"""`manage.py access_check`: say what the gateway would decide about a call, check by check."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.actor import Actor
from keys.forms.access_check import AccessCheckForm
from keys.models import Api, Key
from keys.services import check_access

_STATES = {True: "passed", False: "FAILED", None: "not reached"}


class Command(BaseCommand):
    help = (
        "Show what the gateway would decide about a call with a key of any account, check by check, with its own rules "
        "and the current settings. Exits 1 if the call would be refused. With --token, a token is read from standard "
        "input and compared with the key's secrets, which is recorded; else the secret is assumed to be correct."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("method", help="such as GET")
        parser.add_argument("path", help="path and query as the client sends them, such as /customers?page=2")
        parser.add_argument("address", help="the client's address as the proxy sees it, such as 203.0.113.7")
        parser.add_argument("--key", default="", metavar="API_ID", help="the key")
        parser.add_argument(
            "--token", action="store_true", help="read a token, or a header with it, from standard input"
        )
        parser.add_argument("--api", default="", metavar="SLUG", help="the API that is called, if not the key's own")
        parser.add_argument("--time", default="", help="such as 2026-11-20T17:30, in UTC; else now")

    def handle(self, *args: Any, **options: Any) -> None:
        data = {name: options[name] for name in ("key", "method", "path", "address", "time", "api")}
        data["token"] = sys.stdin.read() if options["token"] else ""
        form = AccessCheckForm(
            data, keys=Key.objects.all(), apis=Api.objects.defer("document").order_by("slug"), may_paste=True
        )
        if not form.is_valid():
            raise CommandError(
                "\n".join(f"{name}: {problem}" for name, problems in form.errors.items() for problem in problems)
            )
        checked = check_access(account=None, call=form.call, by=Actor.from_command("access_check"))
        for step in checked.steps:
            self.stdout.write(f"{step.label:17} {_STATES[step.passed]:11} {step.explanation}".rstrip())
        if checked.reason:
            raise CommandError(f"Refused: {checked.status} {checked.reason}")
        self.stdout.write("Allowed.")
