"""When a proxy was last heard from, although other calls are newer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from audit.calls.rollups import HOUR, insert_sums
from keys.selectors import proxy_contact
from keys.selectors.proxy_contact import get_last_contacts
from tests.factories.accounts import an_account
from tests.factories.calls import a_call

pytestmark = pytest.mark.django_db
REFUSED = {"decision": "denied", "reason": "invalid_credentials"}


@pytest.mark.parametrize("of_account", [False, True])
def test_a_busy_api_does_not_hide_a_quiet_one(of_account: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_contact, "MAX_CALLS_SCANNED", 2)
    account = an_account()
    caller = account if of_account else None
    now = datetime.now(UTC)
    quiet, sealed = now - timedelta(hours=3), now.replace(minute=0, second=0, microsecond=0)
    a_call(caller, api="textpeak", time=quiet, **REFUSED)
    a_call(an_account("globex"), api="lynx", time=quiet, **REFUSED)
    insert_sums(sealed - 4 * HOUR, sealed)
    newest = [now - timedelta(seconds=age) for age in (3, 2, 1)]
    for time in newest:
        a_call(caller, api="billing", time=time, **REFUSED)

    contacts = get_last_contacts(["billing", "textpeak", "lynx"], account.pk)

    assert contacts == {"billing": newest[-1], "textpeak": quiet.replace(minute=0, second=0, microsecond=0)}
