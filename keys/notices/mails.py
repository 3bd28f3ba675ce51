"""Send the notices that wait for mailing: one mail for all of a kind that a recipient gets at the same time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from smtplib import SMTPDataError, SMTPRecipientsRefused

import structlog

from accounts.models import User
from accounts.services.locks import build_user_target
from core.actor import Actor
from core.mail import build, build_url, deliver
from keys.notices import words
from keys.notices.models import Delivery
from keys.notices.services import queue

MAX_CLAIMED = 500
# What a mail server says about one mail; any other failure is that of the server, which is not asked again now.
REFUSED = (SMTPRecipientsRefused, SMTPDataError)
logger = structlog.get_logger("keyward.notices")


def send_mails(by: Actor) -> int:
    """Send the mails that are due and return how many notices they had. Those that fail are tried again later."""
    mail_count, failure = 0, ""
    while claimed := queue.claim(Delivery.objects.exclude(user=None), MAX_CLAIMED):
        groups: dict[tuple[int | None, str], list[Delivery]] = defaultdict(list)
        for delivery in claimed:
            groups[delivery.user_id, delivery.notice.kind].append(delivery)
        for deliveries in groups.values():
            user = deliveries[0].user
            assert user is not None
            if not user.is_active:
                queue.drop(deliveries=deliveries, reason="The user is no longer active.")
                continue
            try:
                if not failure:
                    _send(user, deliveries)
            except REFUSED as error:
                _mark_failed(user, deliveries, _describe(error), by)
                continue
            except OSError as error:
                failure = _describe(error)
                logger.error("the mail server did not take a notice", detail=failure)
            if failure:
                _mark_failed(user, deliveries, failure, by)
            else:
                queue.mark_delivered(deliveries=deliveries)
                mail_count += len(deliveries)
    return mail_count


def _send(user: User, deliveries: Sequence[Delivery]) -> None:
    kind = deliveries[0].notice.kind
    found = [delivery.notice.data for delivery in deliveries]
    message = build(
        "notice",
        user.email,
        lines=words.build_lines(kind, found),
        subject=words.build_title(kind, len(found)),
        nickname=user.nickname,
        advice=words.WORDS[kind].advice,
        account=deliveries[0].notice.account.name,
        link=build_url("key-list"),
        settings=build_url("notices"),
    )
    deliver(message)


def _mark_failed(user: User, deliveries: Sequence[Delivery], error: str, by: Actor) -> None:
    queue.mark_failed(deliveries=deliveries, error=error, recipient=build_user_target(user), by=by)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
