"""A process of its own that makes and disables keys in an installation, by the services, and reads its API log.

Tests of several hosts run it where an installation runs, with its environment file.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.json_process import ROOT, JsonProcess, json_process


class Failed(Exception):
    """The service raised an error; the message is its class and its text."""


class KeyService:
    """`make`, `disable` and `missing` as calls of the process."""

    def __init__(self, process: JsonProcess) -> None:
        self._process = process

    def make(self, count: int) -> list[tuple[str, str]]:
        """Make keys of the API billing; return their API IDs and tokens."""
        return [tuple(pair) for pair in self._call("make", count)]

    def disable(self, public_id: str) -> None:
        self._call("disable", public_id)

    def is_enabled(self, public_id: str) -> bool:
        return bool(self._call("is_enabled", public_id))

    def missing(self, request_ids: Sequence[str]) -> list[str]:
        """Return those that no allowed row of the API log has."""
        return list(self._call("missing", list(request_ids)))

    def _call(self, name: str, argument: Any) -> Any:
        kind, result = self._process.call(name, argument)
        if kind == "failed":
            raise Failed(result)
        return result


@contextmanager
def key_service(environ: Mapping[str, str], *, prefix: Sequence[str] = (), cwd: Path = ROOT) -> Iterator[KeyService]:
    with json_process("tests.key_service", environ=environ, prefix=prefix, cwd=cwd) as process:
        yield KeyService(process)


def main() -> None:
    """Answer the calls of `KeyService`. A connection that failed is closed, so that the next call makes another."""
    from config.command_line import load_environment

    load_environment()
    import django

    django.setup()
    from django.db import close_old_connections, connections

    from accounts.models import Account, User
    from audit.models import Call
    from core.permissions import Role
    from keys import services
    from keys.models import Key
    from tests.factories.accounts import a_user, acting
    from tests.factories.keys import a_billing_key

    def get_administrator() -> User:
        defaults = {"name": "Acme", "status": Account.Status.ACTIVE}
        account, _ = Account.objects.get_or_create(slug="acme", defaults=defaults)
        found = User.objects.filter(account=account, nickname="alice").first()
        return found or a_user(account, "alice", Role.ADMINISTRATOR)

    def make(count: int) -> list[tuple[str, str]]:
        alice = get_administrator()
        made = [a_billing_key(alice, name=f"Robot {os.urandom(4).hex()}") for _ in range(count)]
        return [(each.key.public_id, each.token) for each in made]

    def disable(public_id: str) -> None:
        services.disable(key=Key.objects.get(public_id=public_id), by=acting(get_administrator()))

    def is_enabled(public_id: str) -> bool:
        return Key.objects.get(public_id=public_id).enabled

    def missing(request_ids: list[str]) -> list[str]:
        there = Call.objects.filter(request_id__in=request_ids, decision="allowed").values_list("request_id", flat=True)
        return sorted(set(request_ids) - {str(each) for each in there})

    calls: dict[str, Callable[[Any], Any]] = {
        "make": make,
        "disable": disable,
        "is_enabled": is_enabled,
        "missing": missing,
    }
    for line in sys.stdin:
        name, argument = json.loads(line)
        # As before a request.
        close_old_connections()
        try:
            answer = ["done", calls[name](argument)]
        except Exception as error:
            connections.close_all()
            answer = ["failed", f"{type(error).__name__}: {error}"]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
