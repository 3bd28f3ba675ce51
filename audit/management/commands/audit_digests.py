"""manage.py audit_digests: the signed digests of an account's calls and events, as files."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_date, parse_datetime

from audit.digests import NoDigests, build_files
from core.accounts import find_account


class Command(BaseCommand):
    help = (
        "Write an account's digests and their index into a folder, for examples/verify_digests.py. Files of the same "
        "names are replaced."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", help="the account's slug")
        parser.add_argument("folder", type=Path, help="created if it does not exist")
        parser.add_argument(
            "--from", dest="since", metavar="TIME", help="such as 2026-11-20 or 2026-11-20T17:00, in UTC"
        )
        parser.add_argument("--to", dest="until", metavar="TIME", help="the end, exclusive")

    def handle(self, *args: Any, account: str, folder: Path, **options: Any) -> None:
        found = find_account(account)
        if found is None:
            raise CommandError(f"There is no account {account!r}. Give its slug.")
        since, until = _parse_time(options["since"], "--from"), _parse_time(options["until"], "--to")
        if since and until and since >= until:
            raise CommandError("--from must be before --to.")
        written = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in build_files(found, since, until):
                (folder / name).write_bytes(content)
                written += 1
        except NoDigests:
            raise CommandError(
                f"There is no digest of {account} in this time. `maintain` makes them once an hour is over."
            ) from None
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{written - 1} digests and their index written to {folder}.")


def _parse_time(text: str | None, option: str) -> datetime | None:
    if not text:
        return None
    try:
        if day := parse_date(text):
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        time = parse_datetime(text)
    except ValueError:
        time = None
    if time is None:
        raise CommandError(f"{option}: {text!r} is not a time. Use a format such as 2026-11-20 or 2026-11-20T17:00.")
    return time if time.tzinfo else time.replace(tzinfo=UTC)
