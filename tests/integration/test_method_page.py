"""A method that a view does not accept is answered with a page, with the menu of who is signed in."""

from __future__ import annotations

import pytest
from django.test import Client

from core.permissions import Role
from tests.factories.accounts import a_user, an_account
from tests.responses import read_words

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("signed_in", [True, False])
def test_an_address_that_takes_forms_alone_says_so(client: Client, signed_in: bool) -> None:
    if signed_in:
        client.force_login(a_user(an_account(), "Alice", Role.ADMINISTRATOR))
    path, method, allowed = (
        ("/profile/sessions/end/", "GET", "POST") if signed_in else ("/password/reset/done/", "POST", "GET, HEAD")
    )

    answer = client.generic(method, path)

    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    assert f"It does not accept {method} requests. Nothing was changed." in read_words(answer)
    assert ("Audit trail" in read_words(answer)) is signed_in
