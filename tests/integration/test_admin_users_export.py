"""Support takes an account's users away as a file."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from core.permissions import Role
from tests.factories.accounts import a_user, an_account, with_totp
from tests.factories.keys import events


@pytest.mark.django_db
@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_the_file_has_the_users_of_one_account_as_text(client: Client, format: str) -> None:
    support = a_user(None, "Sam", Role.SUPPORT)
    with_totp(support)
    client.force_login(support)
    account = an_account()
    a_user(account, "=cmd", Role.AUDITOR)
    a_user(account, "00441234567890")
    a_user(an_account("globex"), "Theirs")

    answer = client.post(reverse("admin:accounts_user_export"), {"account": "acme", "format": format})
    assert answer.status_code == 200
    if format == "csv":
        content = answer.content.decode()
        nicknames = [row["nickname"] for row in csv.DictReader(io.StringIO(content, newline=""))]
    else:
        cells = [row[0] for row in load_workbook(io.BytesIO(answer.content)).active.iter_rows(min_row=2)]
        assert {cell.data_type for cell in cells} == {"s"}
        nicknames = [cell.value for cell in cells]
    assert set(nicknames) == {"'=cmd" if format == "csv" else "=cmd", "00441234567890"}
    assert b"argon2" not in answer.content
    body = json.loads(events("users.exported")[-1].body)
    assert (body["actor"]["label"], body["account_id"], body["data"]["rows"]) == (support.email, account.pk, 2)
