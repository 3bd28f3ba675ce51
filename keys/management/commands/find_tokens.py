"""`manage.py find_tokens`: find leaked tokens of any account in files or standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from audit.trail.record import record
from core.actor import Actor
from keys.crypto.token_scan import CompressedFile, FoundToken, scan
from keys.models import Key
from keys.selectors.found_tokens import TokenState, assess_tokens

# How many occurrences are looked up in the database at a time.
BATCH_SIZE = 500
MAX_KEYS_RECORDED = 100
STANDARD_INPUT = "-"


class Command(BaseCommand):
    help = (
        "Find tokens in files, or in standard input, by their shape and checksum: the line of each, the masked token, "
        "whether it is live and why not, its account and key, and who used it last. Reads files of any size and kind; "
        "compressed ones must be unpacked first. Records that it was run, and which keys it found. Exits 1 if a token "
        "is live or a file could not be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", metavar="FILE", help="a file; - or none is standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        states: dict[str, TokenState] = {}
        places, problems = 0, []
        for name in options["files"] or [STANDARD_INPUT]:
            try:
                places += self._search(name, states)
            except (CompressedFile, OSError) as problem:
                problems.append(f"{name}: {problem.strerror if isinstance(problem, OSError) else problem}")
        ours = [state for state in states.values() if state.is_ours]
        _record(ours)
        live = sum(state.live for state in ours)
        self.stdout.write(f"{_count(len(ours), 'token')} in {_count(places, 'place')}, {live} live.")
        if live:
            problems.append(f"{_count(live, 'token')} live: disable or change the key.")
        if problems:
            raise CommandError("\n".join(problems))

    def _search(self, name: str, states: dict[str, TokenState]) -> int:
        """Print the tokens of a file and return in how many places there are any."""
        if name == STANDARD_INPUT:
            return self._print("standard input", sys.stdin.buffer.read, states)
        with open(name, "rb") as file:
            return self._print(name, file.read, states)

    def _print(self, name: str, read: Callable[[int], bytes], states: dict[str, TokenState]) -> int:
        places = 0
        for found, state in _assess(read, states):
            if state.is_ours:
                places += 1
                self.stdout.write(f"{name}:{found.line}: {state.masked} {_format_state(state)}")
        return places


def _assess(read: Callable[[int], bytes], states: dict[str, TokenState]) -> Iterator[tuple[FoundToken, TokenState]]:
    """Yield each token with its state, and add to `states` those that were not looked up before."""
    tokens = scan(read)
    while batch := list(islice(tokens, BATCH_SIZE)):
        states |= assess_tokens(Key.objects.all(), [each for each in batch if each.token not in states])
        yield from ((found, states[found.token]) for found in batch)


def _format_state(state: TokenState) -> str:
    if state.key is None:
        return state.why
    key = state.key
    used = "Never used."
    if state.used_at is not None:
        addresses = ", ".join(address for address, _ in state.addresses)
        used = f"Last used {state.used_at:%Y-%m-%d %H:%M:%S} UTC from {addresses}."
    word = "LIVE" if state.live else "not live"
    return f"{word}: {key.name} of {key.account.slug} ({key.api.slug}), owner {key.owner.nickname}. {state.why} {used}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _record(states: Sequence[TokenState]) -> None:
    keys = {state.key.public_id: state.key for state in states if state.key is not None}
    accounts = {key.account_id for key in keys.values()}
    with transaction.atomic():
        record(
            "keys.searched",
            by=Actor.from_command("find_tokens"),
            # The account whose keys were found sees the search in its trail.
            account_id=accounts.pop() if len(accounts) == 1 else None,
            what=_count(len(states), "token"),
            keys=sorted(keys)[:MAX_KEYS_RECORDED],
        )
