"""Alice lets a program of hers hear of notices, and answers a mail about a key that was used from somewhere new."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from audit.usage.sightings import Sighting
from keys.models import Key
from keys.notices import jobs
from keys.notices.endpoint_secrets import open_secrets
from keys.notices.models import Endpoint, KeyNetwork
from keys.notices.services.networks import record_networks
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD
from tests.factories.keys import a_billing_key
from tests.factories.notices import MAINTAIN, SENDER, an_endpoint, take_outbox
from tests.receivers import answering, serve

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
SignIn = Callable[[Page, str, str], None]
NOW = datetime.now(UTC)


@pytest.fixture(params=["with scripts", "without scripts"])
def either_page(request: pytest.FixtureRequest) -> Page:
    """A browser's page, with JavaScript and then without."""
    return request.getfixturevalue("page" if request.param == "with scripts" else "plain_page")


@pytest.fixture
def shop(alice: User) -> Key:
    """A key that has been used from one network, and now from another."""
    key = a_billing_key(alice, name="Shop").key
    KeyNetwork.objects.create(key=key, network="203.0.113.0/24", known=True, first_seen_at=NOW)
    seen = {key: [Sighting(key.account_id, key.public_id, ip_network("198.51.100.0/24"), NOW)]}
    record_networks(account=key.account, seen=seen, by=MAINTAIN)
    return key


def leave(page: Page) -> None:
    """Go on to the endpoint; a script asks first about a secret that was not copied."""
    # Without scripts the styles hide the button, once they have loaded.
    page.wait_for_load_state()
    copy = page.get_by_role("button", name="Copy", exact=True)
    if copy.is_visible():
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        copy.click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.get_by_role("link", name="View endpoint").click()


def test_a_program_hears_of_notices(
    either_page: Page, live_server: Any, sign_in: SignIn, alice: User, settings: Any
) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    page = either_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/settings/")
    page.get_by_role("link", name="Notices").click()
    expect(page.get_by_role("heading", name="No notices yet")).to_be_visible()
    with serve(answering(204)) as receiver:
        page.get_by_role("link", name="Add endpoint").click()
        page.get_by_label("URL").fill("http://alice@127.0.0.1/#x")
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_role("button", name="Add endpoint").click()
        expect(page.get_by_text("Remove the user name and password")).to_be_visible()
        expect(page.get_by_text("Remove the part after #")).to_be_visible()
        page.get_by_label("URL").fill(receiver.url)
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_role("button", name="Add endpoint").click()
        expect(page.get_by_text("Copy the signing secret now.")).to_be_visible()
        [secret] = open_secrets(Endpoint.objects.get())
        expect(page.get_by_text(secret)).to_be_visible()

        leave(page)
        expect(page.get_by_text(secret)).to_have_count(0)
        page.get_by_role("button", name="Send test").click()
        expect(page.get_by_text("The test is sent within a minute.")).to_be_visible()
        assert jobs.send(SENDER) == 1
        page.reload()
        expect(page.get_by_role("cell", name="Delivered Answered 204.")).to_be_visible()
        page.get_by_role("button", name="Resend").click()
        expect(page.get_by_text("The notice is sent again within a minute.")).to_be_visible()
        assert jobs.send(SENDER) == 1
    assert [json.loads(body)["type"] for body in receiver.bodies] == ["webhook.test", "webhook.test"]
    assert len(set(receiver.get_headers("webhook-id"))) == 1

    page.get_by_role("link", name="Rotate").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Rotate secret").click()
    expect(page.get_by_text("Copy the signing secret now.")).to_be_visible()
    leave(page)
    expect(page.get_by_text("Also used until")).to_be_visible()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Yes, delete").click()
    expect(page.get_by_text(f"127.0.0.1:{receiver.port} is deleted.")).to_be_visible()


def test_a_kind_is_switched_off(either_page: Page, live_server: Any, sign_in: SignIn, alice: User) -> None:
    page = either_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/settings/notices/")
    box = page.get_by_label("Key expires: mail")
    expect(box).to_be_checked()
    box.uncheck()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Notices saved.")).to_be_visible()
    expect(page.get_by_label("Key expires: mail")).not_to_be_checked()
    expect(page.get_by_label("Key expires: webhook")).to_be_checked()


@pytest.mark.parametrize("answer", ["It was us", "Disable"])
def test_a_mail_about_a_new_network_is_answered(
    answer: str, either_page: Page, live_server: Any, sign_in: SignIn, alice: User, shop: Key
) -> None:
    page = either_page
    jobs.send(SENDER)
    [mail] = take_outbox()
    assert "Shop (API ID" in mail.body
    [url] = re.findall(rf"^{answer}.*: (http\S+)$", str(mail.body), re.MULTILINE)
    sign_in(page, alice.email, PASSWORD)
    page.goto(url.replace("http://localhost:8000", live_server.url))
    if answer == "It was us":
        page.get_by_role("button", name=re.compile("It was us")).click()
        expect(page.get_by_text("1 network of Shop acknowledged.")).to_be_visible()
        expect(page.get_by_role("row", name="198.51.100.0/24 Known")).to_be_visible()
    else:
        page.get_by_role("button", name="Yes, disable").click()
        expect(page.get_by_text("Shop is disabled: calls with it are refused.")).to_be_visible()
        shop.refresh_from_db()
        assert not shop.enabled


def test_the_pages_are_accessible(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, shop: Key, settings: Any
) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    sign_in(page, alice.email, PASSWORD)
    with serve(answering(500)) as receiver:
        endpoint = an_endpoint(alice, receiver.url)
        jobs.send(SENDER)
    for path in (
        "settings/notices/",
        "settings/notices/webhooks/new/",
        f"settings/notices/webhooks/{endpoint.pk}/",
        f"keys/{shop.public_id}/networks/",
    ):
        page.goto(f"{live_server.url}/{path}")
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert_accessible(page)
