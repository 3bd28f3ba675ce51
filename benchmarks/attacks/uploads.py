"""Attacks on the portal by tenants: Administrators of four accounts upload files that are expensive to parse."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import cycle

from benchmarks.attacks.attack import Attack, Attempts, Target, Uploader
from benchmarks.attacks.connection import connect
from benchmarks.attacks.hostile_files import DOCUMENTS, SHEETS

ACCOUNTS = 4
CSRF = "a" * 32
FIELD = '--b\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}'
BEFORE = FIELD.format("csrfmiddlewaretoken", "", f"{CSRF}\r\n") + FIELD.format("file", '; filename="entries.xlsx"', "")


def make_files() -> tuple[bytes, ...]:
    return (*(make() for make, _ in SHEETS.values()), *(content for content, _ in DOCUMENTS.values()))


def make_uploaders() -> list[Uploader]:
    """Return an Administrator with an IP list for each of ACCOUNTS."""
    from django.conf import settings

    from accounts.models import Account, User
    from benchmarks.installation import get_session_cookie
    from keys.models import IpList

    made = []
    for number in range(ACCOUNTS):
        account = Account.objects.create(slug=f"tenant{number}", name="Tenant", status=Account.Status.ACTIVE)
        user = User.objects.create(
            account=account, email=f"mallory@tenant{number}.example", nickname="mallory", roles=["administrator"]
        )
        ip_list = IpList.objects.create(account=account, name="Offices")
        cookies = f"{settings.CSRF_COOKIE_NAME}={CSRF}; {get_session_cookie(user)}"
        made.append(Uploader(f"/ip-lists/{ip_list.pk}/import/", cookies))
    return made


async def upload_hostile_files(target: Target, attempts: Attempts) -> None:
    """Upload one file after the other; each account has its own task."""
    uploaders, files = _in_turn(target)
    uploader = next(uploaders)
    async with connect(target.portal_port) as (reader, writer):
        while not reader.at_eof():
            body = BEFORE.encode() + next(files) + b"\r\n--b--\r\n"
            writer.write(
                f"POST {uploader.path} HTTP/1.1\r\nHost: localhost\r\nCookie: {uploader.cookies}\r\n"
                f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0] or 0)
            page = await reader.readexactly(length)
            # The form again, with the limit exceeded or because others upload; a few files are readable and show wrong
            # lines.
            if head.split()[1] not in (b"200", b"422") or b"</form>" not in page:
                return
            attempts.count += 1


@cache
def _in_turn(target: Target) -> tuple[Iterator[Uploader], Iterator[bytes]]:
    return cycle(target.uploaders), cycle(target.files)


UPLOADS = (Attack("portal: hostile uploads of four accounts", upload_hostile_files, ACCOUNTS),)
