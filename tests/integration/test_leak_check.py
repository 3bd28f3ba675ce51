"""The finder as a leak check: tokens in texts and files, whose they are, who used them, and what can be done."""

from __future__ import annotations

import gzip
import json
import tempfile
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import NamedTuple

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from accounts.models import Account, User
from core.permissions import Role
from keys.crypto.secrets import generate_token
from keys.forms.find import MAX_FILE_BYTES
from keys.models import Api, Enablement, Key, SecretUse
from keys.selectors.found_tokens import MAX_LINES, MAX_TOKENS
from keys.uploads import BUSY_MESSAGE, acquire_reader
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.key_rows import a_key, a_secret
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db
USED = datetime(2026, 11, 20, 21, 3, tzinfo=UTC)


class Acme(NamedTuple):
    account: Account
    alice: User
    key: Key
    token: str
    client: Client

    def search(self, data: bytes, name: str = "access.log", status: int = 200) -> str:
        answer = self.client.post("/find/", {"text": "", "file": SimpleUploadedFile(name, data)})
        assert answer.status_code == status
        return answer.content.decode()


@pytest.fixture
def acme(client: Client) -> Acme:
    account = an_account()
    alice = a_user(account, "Alice", Role.ADMINISTRATOR)
    key, token = a_key(account, a_user(account, "Bob"), Api.objects.get(slug="billing"), "Night worker")
    SecretUse.objects.create(
        secret=key.secrets.get(),
        used_at=USED,
        address="198.51.100.9",
        addresses={"198.51.100.9": USED.isoformat(), "203.0.113.7": (USED - timedelta(hours=1)).isoformat()},
    )
    client.force_login(alice)
    return Acme(account, alice, key, token, client)


def test_a_file_says_line_state_owner_and_who_used_it(acme: Acme) -> None:
    page = acme.search(f"one\ntwo {acme.token}\n\nfour {acme.token}".encode())

    assert "lines 2, 4<" in page
    assert f"kw_{acme.key.public_id}_********" in page
    assert acme.token not in page
    assert escape("This is the key's current token. It is live: accepted from any address.") in page
    assert page.index("198.51.100.9</a>") < page.index("203.0.113.7</a>")
    assert f"/logs/?key_id={acme.key.public_id}&amp;client_address=198.51.100.9&amp;range=30d" in page
    assert "<bdi>Bob</bdi>" in page
    event = since_the_beginning().get(name="keys.searched")
    assert json.loads(event.body)["data"] == {"what": "a token", "keys": [acme.key.public_id]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda key: Key.objects.update(enabled=False), "It is refused: the key is disabled."),
        (lambda key: Key.objects.update(expires_at=USED), "It is refused: the key has expired."),
        (lambda key: User.objects.filter(pk=key.owner_id).update(is_active=False), "its owner is not active"),
        (lambda key: Enablement.objects.all().delete(), "or the API is not enabled for it"),
    ],
)
def test_a_token_that_the_gateway_refuses_is_not_live(acme: Acme, change, words: str) -> None:
    change(acme.key)
    page = acme.search(acme.token.encode())
    assert words in page
    assert "It is live" not in page
    assert "note bad" not in page


def test_says_from_where_a_live_one_is_accepted(acme: Acme) -> None:
    _, token = a_key(acme.account, acme.alice, acme.key.api, "One", networks=("203.0.113.0/24",))
    assert "accepted from 203.0.113.0/24." in acme.search(token.encode())
    _, token = a_key(acme.account, acme.alice, acme.key.api, "Two", networks=("203.0.113.0/24", "2001:db8::/48"))
    assert "accepted from 2 addresses or ranges." in acme.search(token.encode())


def test_live_keys_come_first_and_every_token_of_a_key_is_shown(acme: Acme) -> None:
    old = generate_token("kw", acme.key.public_id).token
    a_secret(acme.key, old, retires_at=timezone.now() - timedelta(hours=1))
    off, token = a_key(acme.account, acme.alice, acme.key.api, "Off", enabled=False)
    unknown = generate_token("kw").token
    page = acme.search("\n".join((token, unknown, old, acme.token)).encode())

    assert "2 keys found by 4 tokens" in page
    assert page.index("Night worker</bdi>") < page.index("Off</bdi>")
    assert "refused since" in page
    assert "Tokens that belong to no key of this account" in page
    assert f"kw_{unknown[3:15]}_********" in page
    assert unknown not in page
    # The key's own page offers the same, so that a disabled one is not offered to be disabled.
    assert f"/keys/{off.public_id}/disable/" not in page


def test_another_accounts_key_is_as_one_that_is_not(acme: Acme) -> None:
    globex = an_account("globex")
    theirs, token = a_key(globex, a_user(globex, "Zoe"), acme.key.api, "Night shift")
    page = acme.search(token.encode())
    assert "No token in the text belongs to a key of this account." in page
    assert "Night shift" not in page
    named = acme.client.get(f"/find/?keys={theirs.public_id}").content.decode()
    assert "Night shift" not in named


def test_text_of_the_shape_by_chance_is_left_out(acme: Acme) -> None:
    chance = "sha_0123456789ab_" + "0123456789" * 3 + "01234567"
    assert "The text contains no token." in acme.search(chance.encode())
    assert "its checksum is wrong" in acme.search(acme.token[:-1].encode() + (b"A" if acme.token[-1] != "A" else b"B"))


def test_the_limits_are_named(acme: Acme) -> None:
    page = acme.search(b"x" * (MAX_FILE_BYTES + 1), status=422)
    assert "The file has 8,000,001 bytes. At most 8,000,000 can be searched here" in page
    assert "find_tokens" in page
    page = acme.search("\n".join(generate_token("kw").token for _ in range(MAX_TOKENS + 1)).encode())
    assert f"Only the first {MAX_TOKENS} different tokens" in page
    page = acme.search(b"\n".join([acme.token.encode()] * (MAX_LINES + 5)))
    assert "20 and 5 more" in page


def test_bad_input_says_what_is_wrong(acme: Acme) -> None:
    assert "Unpack it first" in acme.search(gzip.compress(acme.token.encode()), status=422)
    assert "The text contains no token." in acme.search(b"")
    assert "The text contains no token." in acme.search(bytes(range(256)) * 9)
    both = acme.client.post("/find/", {"text": "x", "file": BytesIO(b"y")})
    assert (both.status_code, "not both" in both.content.decode()) == (422, True)
    with acquire_reader(acme.account.pk):
        assert BUSY_MESSAGE in acme.search(acme.token.encode(), status=422)


def test_a_file_is_never_on_a_disk(acme: Acme, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        pytest.fail("a file was written")

    for name in ("NamedTemporaryFile", "TemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    monkeypatch.setattr("django.core.files.uploadedfile.TemporaryUploadedFile.__init__", refuse)
    assert "It is live" in acme.search(b"\n" * (MAX_FILE_BYTES - 60) + acme.token.encode())


def test_an_action_leads_back_to_the_result_without_the_text(acme: Acme) -> None:
    other, token = a_key(acme.account, acme.alice, acme.key.api, "Other")
    page = acme.search(f"{acme.token} {token}".encode())
    address = f"/find/?keys={acme.key.public_id}.{other.public_id}"
    assert f'data-address="{address}"' in page
    query = f"?back=keys%3D{acme.key.public_id}.{other.public_id}&from=find"
    disable = f"/keys/{acme.key.public_id}/disable/{query}"
    assert disable.replace("&", "&amp;") in page

    answer = acme.client.post(disable)
    assert answer.headers["Location"] == f"{address}#key-{acme.key.public_id}"
    assert f'href="{address.replace("&", "&amp;")}#key-' in acme.client.get(disable).content.decode()  # Cancel
    page = acme.client.get(address).content.decode()
    assert "The keys that you found" in page
    assert "<strong>Refused:</strong> the key is disabled" in page
    assert f"/keys/{other.public_id}/disable/" in page
    changed = acme.client.get(f"/keys/{other.public_id}/change/{query}")
    form = changed.content.decode()
    secret = form.partition('name="secret" value="')[2].partition('"')[0]
    answer = acme.client.post(
        f"/keys/{other.public_id}/change/{query}", {"secret": secret, "overlap": "none", "password": PASSWORD}
    )
    assert f'href="{address}#key-{other.public_id}"' in answer.content.decode()


@pytest.mark.parametrize("keys", ["", "x", "....", "0" * 12, "é" * 12, "'%22", "a" * 12 + ".", "b" * 9_000])
def test_odd_addresses_break_nothing(acme: Acme, keys: str) -> None:
    assert acme.client.get("/find/", {"keys": keys}).status_code == 200


def test_an_auditor_sees_it_without_the_actions(acme: Acme) -> None:
    acme.client.force_login(a_user(acme.account, "Carol", Role.AUDITOR))
    page = acme.search(acme.token.encode())
    assert "It is live" in page
    assert "/disable/" not in page
    assert "/change/" not in page


def test_pages_lead_to_it_where_it_is_allowed(acme: Acme) -> None:
    for page in ("/", "/keys/"):
        assert "Find a leaked key" in acme.client.get(page).content.decode()
    acme.client.force_login(a_user(acme.account, "Rita", Role.ACCOUNT_READER))
    for page in ("/", "/keys/"):
        assert "Find a leaked key" not in acme.client.get(page).content.decode()
