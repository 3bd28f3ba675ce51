"""Which APIs the filters of an account's log offer."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.models import User
from keys.models import Api, Enablement, Key
from keys.visibility import get_log_names, list_called_apis
from tests.factories.accounts import a_user, an_account
from tests.factories.keys import a_billing_key, a_key_of

pytestmark = pytest.mark.django_db


def test_apis_that_are_enabled_or_have_or_had_keys_are_known(alice: User) -> None:
    assert alice.account is not None
    a_billing_key(alice)
    gone = a_key_of("lynx", alice).key
    Enablement.objects.filter(account=alice.account).delete()
    assert [api.slug for api in list_called_apis(alice.account)] == ["billing", "lynx"]
    Key.objects.filter(pk=gone.pk).update(deleted_at=timezone.now())
    assert [api.slug for api in list_called_apis(alice.account)] == ["billing", "lynx"]
    Enablement.objects.create(account=alice.account, api=Api.objects.get(slug="textpeak"))
    assert list(get_log_names(alice.account.pk).apis) == ["billing", "lynx", "textpeak"]


def test_keys_of_other_accounts_make_no_api_known(alice: User) -> None:
    other = a_user(an_account("globex"), "Gina")
    a_billing_key(alice)
    assert other.account is not None
    assert list(list_called_apis(other.account)) == []
