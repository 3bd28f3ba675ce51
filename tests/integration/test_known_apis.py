"""Which APIs the filters of an account's log offer."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.models import User
from keys.models import Api, Enablement, Key, Module
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


def test_names_are_sorted_and_those_of_modules_with_one_slug_joined(alice: User) -> None:
    assert alice.account is not None
    names = {"billing": "Zebra", "lynx": "Apple", "textpeak": "Mango"}
    for slug, name in names.items():
        api = Api.objects.get(slug=slug)
        Module.objects.create(api=api, slug="shared", name=name)
        Module.objects.create(api=api, slug="same", name="Same")
        Api.objects.filter(pk=api.pk).update(name=name)
    for slug in ("billing", "lynx"):
        Enablement.objects.get_or_create(account=alice.account, api=Api.objects.get(slug=slug))
    own, every = get_log_names(alice.account.pk), get_log_names(None)
    assert list(own.apis.items()) == [("lynx", "Apple"), ("billing", "Zebra")]
    assert (own.modules["shared"], own.modules["same"]) == ("Apple, Zebra", "Same")
    assert (every.modules["shared"], every.modules["same"]) == ("Apple, Mango, Zebra", "Same")
    assert set(every.apis) == set(Api.objects.values_list("slug", flat=True))
    assert list(own.modules.values()) == sorted(own.modules.values())
