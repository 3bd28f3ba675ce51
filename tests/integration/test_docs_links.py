"""A link to a key's documentation opens it without signing in until it expires or is revoked, and nothing else."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Account, User
from accounts.signin import rate_limits
from core.authorization import AccountNotActive, Denied
from core.permissions import Role
from keys.models import DocsLink, Key
from keys.services import TooManyLinks, create_docs_link, docs_links, revoke_docs_link
from tests.factories.accounts import a_user, acting, an_account
from tests.factories.docs_links import a_docs_link
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import LEAST, a_billing_key, a_key_of
from tests.responses import Response, common_headers, read_page, read_words
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(signed_in: User) -> Key:
    return a_billing_key(signed_in, "203.0.113.0/24").key


def read_link(response: Response) -> str:
    found = re.search(r"http://localhost:8000(/docs/[\w-]{43}/)", response.content.decode())
    assert found
    return found[1]


def test_two_requests_make_a_link_that_whoever_has_it_can_read(client: Client, key: Key) -> None:
    page = client.get(f"/keys/{key.public_id}/docs/links/")
    assert f'href="/keys/{key.public_id}/docs/links/"' in read_page(client.get(f"/keys/{key.public_id}/"))
    assert "30 days" in read_words(page)
    created = client.post(f"/keys/{key.public_id}/docs/links/", {"days": "30"})
    assert created.headers["Cache-Control"] == "no-store"
    path = read_link(created)

    stranger = Client()
    shared = stranger.get(path)
    assert shared.status_code == 200
    assert f"How to call Billing with {key.name}" in read_words(shared)
    assert shared.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert shared.headers["Referrer-Policy"] == "no-referrer"
    assert shared.headers["Cache-Control"] == "no-store"
    assert '<meta name="referrer" content="no-referrer">' in read_page(shared)
    assert stranger.cookies == {}
    # Only here is the URL.
    assert path not in read_page(client.get(f"/keys/{key.public_id}/docs/links/"))
    assert path.split("/")[2].encode() not in bytes(DocsLink.objects.get().digest)


@pytest.mark.parametrize("slug", sorted(LEAST))
def test_it_shows_what_the_docs_show_but_no_secret_address_or_page_that_needs_a_user(
    slug: str, client: Client, alice: User
) -> None:
    client.force_login(alice)
    made = a_key_of(slug, alice)
    offices = an_ip_list(alice, "192.0.2.0/24", name="Branch offices", used_by=made.key)
    path = f"/docs/{a_docs_link(made.key, alice).token}/"
    own = read_words(client.get(f"/keys/{made.key.public_id}/docs/"))
    page, words = read_page(Client().get(path)), read_words(Client().get(path))
    for heading in ("Introduction", "Overview", "Sample programs", "Additional Params", "Errors", "Limits"):
        assert heading in own
        assert heading in words
    assert made.token not in page
    assert offices.name not in page
    assert "203.0.113.0/24" not in page
    assert "Calls are accepted only from the addresses that Acme has registered" in words
    links = set(re.findall(r'href="(/[^"#]*)', page)) - {"/"}
    assert {link for link in links if not link.startswith(("/static/", path))} == set()
    assert path not in words


def test_it_shows_how_recordings_are_downloaded_where_the_key_may(alice: User) -> None:
    may = a_docs_link(a_key_of("lms-call-logic", alice, recordings=True).key, alice).token
    page = read_page(Client().get(f"/docs/{may}/"))
    assert f'href="/docs/{may}/call-download/"' in page
    recordings = Client().get(f"/docs/{may}/call-download/")
    assert "Lead ID key algorithm" in read_words(recordings)
    assert recordings.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert f'href="/docs/{may}/"' in read_page(recordings)
    may_not = a_docs_link(a_billing_key(alice).key, alice).token
    assert Client().get(f"/docs/{may_not}/call-download/").status_code == 404


def test_links_that_do_not_work_get_one_answer(alice: User) -> None:
    keys = [a_billing_key(alice).key for _ in range(3)]
    expired, revoked, deleted = (a_docs_link(key, alice) for key in keys)
    suspended = a_docs_link(a_billing_key(a_user(an_account("globex"), "Gina", Role.ADMINISTRATOR)).key, gina())
    DocsLink.objects.filter(pk=expired.link.pk).update(expires_at=timezone.now())
    revoke_docs_link(link=revoked.link, by=acting(alice))
    Key.objects.filter(pk=keys[2].pk).update(deleted_at=timezone.now())
    Account.objects.filter(slug="globex").update(status=Account.Status.SUSPENDED)
    tokens = [each.token for each in (expired, revoked, deleted, suspended)]
    answers = [Client().get(f"/docs/{token}/") for token in (*tokens, "x", "a" * 43, "%C3%A9")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({(answer.content, common_headers(answer)) for answer in answers}) == 1
    assert "This link is not valid" in read_words(answers[0])


def gina() -> User:
    return User.objects.get(nickname="Gina")


def test_requests_from_an_address_are_limited_whatever_they_name(
    key: Key, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = rate_limits.DOCS_LINK_FROM_ADDRESS._replace(most=3)
    monkeypatch.setattr(rate_limits, "DOCS_LINK_FROM_ADDRESS", limit)
    path = f"/docs/{a_docs_link(key, alice).token}/"
    asked = [Client().get(each).status_code for each in ("/docs/wrong/", path, path, path, "/docs/wrong/")]
    assert asked == [404, 200, 200, 429, 429]


def test_revoking_ends_it_and_the_trail_tells_both(client: Client, key: Key) -> None:
    path = read_link(client.post(f"/keys/{key.public_id}/docs/links/", {"days": "7"}))
    link = DocsLink.objects.get()
    page = client.get(f"/keys/{key.public_id}/docs/links/")
    assert f"Link {link.pk}, created" in read_words(page)
    revoke = f"/keys/{key.public_id}/docs/links/{link.pk}/revoke/"
    assert "Link revoked. It no longer works." in read_words(client.post(revoke))
    assert Client().get(path).status_code == 404
    assert client.post(revoke).status_code == 404
    created, revoked = since_the_beginning().filter(name__startswith="key.docs_link")
    assert (created.name, revoked.name) == ("key.docs_link_created", "key.docs_link_revoked")
    assert (created.target_id, revoked.target_id) == (key.public_id, key.public_id)
    assert json.loads(created.body)["data"] == {
        "api": "billing",
        "link": link.pk,
        "until": link.expires_at.isoformat(timespec="seconds"),
    }
    assert link.expires_at - timezone.now() < timedelta(days=7)
    assert path.split("/")[2] not in created.body + revoked.body


def test_a_form_that_makes_no_sense_makes_no_link(client: Client, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    for days in ("", "0", "31", "many"):
        assert client.post(f"/keys/{key.public_id}/docs/links/", {"days": days}).status_code == 422
    monkeypatch.setattr(docs_links, "MAX_LINKS", 1)
    assert client.post(f"/keys/{key.public_id}/docs/links/", {"days": "7"}).status_code == 200
    full = client.post(f"/keys/{key.public_id}/docs/links/", {"days": "7"})
    assert full.status_code == 422
    assert "Revoke one first." in read_words(full)
    DocsLink.objects.update(expires_at=timezone.now())
    assert client.post(f"/keys/{key.public_id}/docs/links/", {"days": "7"}).status_code == 200
    assert DocsLink.objects.count() == 1


class TestServices:
    def test_only_administrators_of_the_account_create_and_revoke(self, key: Key, alice: User) -> None:
        link = a_docs_link(key, alice).link
        for user in (a_user(alice.account, "Aud", Role.AUDITOR), a_user(an_account("bolt"), "Eve", Role.ADMINISTRATOR)):
            with pytest.raises(Denied):
                create_docs_link(key=key, days=7, by=acting(user))
            with pytest.raises(Denied):
                revoke_docs_link(link=link, by=acting(user))
        Account.objects.update(status="suspended")
        with pytest.raises(AccountNotActive):
            create_docs_link(key=key, days=7, by=acting(alice))
        assert DocsLink.objects.count() == 1

    def test_nothing_changes_without_its_event(self, key: Key, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        link = a_docs_link(key, alice).link

        def fail(*_: object, **__: object) -> None:
            raise OSError("the trail cannot be written")

        monkeypatch.setattr(docs_links, "record", fail)
        with pytest.raises(OSError, match="trail"):
            create_docs_link(key=key, days=7, by=acting(alice))
        with pytest.raises(OSError, match="trail"):
            revoke_docs_link(link=link, by=acting(alice))
        assert [each.pk for each in DocsLink.objects.all()] == [link.pk]

    def test_a_lifetime_of_nobodys_choice_is_refused(self, key: Key, alice: User) -> None:
        with pytest.raises(ValueError, match="not 365"):
            create_docs_link(key=key, days=365, by=acting(alice))
        assert TooManyLinks().args
