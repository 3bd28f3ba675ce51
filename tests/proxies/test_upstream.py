"""What a key's flags change in what a client really gets, through the proxies, from the example API."""

from __future__ import annotations

import hashlib

import pytest

from accounts.models import Account
from keys.models import Module, Route
from tests.proxies.client import ask
from tests.proxies.fake_gateway import fake_gateway

LEAD = b'{"name": "Grace", "phone": "+447911123456"}'


@pytest.fixture
def leads(world):
    """The world with leads to read and to add."""
    module = Module.objects.create(api=world.api, slug="leads", name="Leads", position=99)
    Route.objects.create(module=module, method="GET", template="/leads")
    Route.objects.create(module=module, method="POST", template="/leads", adds_leads=True)
    return world


@pytest.mark.parametrize(
    ("digits", "side", "seen"),
    [
        (4, "last", "+XXXXXXXX3456"),
        (3, "first", "+447XXXXXXXXX"),
        (0, "last", "+XXXXXXXXXXXX"),
        (15, "last", "+447911123456"),
    ],
)
def test_a_key_that_masks_gets_no_phone_number(proxy, leads, digits, side, seen):
    Account.objects.update(mask_phone=True, mask_digits=digits, mask_side=side)
    _, masked = leads.key("Masked", mask_phone=True)
    _, clear = leads.key("Clear", mask_phone=False)

    def phone(token: str) -> str:
        return ask(proxy.port, "/leads", token=token).json["data"]["items"][0]["phone"]

    assert phone(clear) == "+447911123456"
    assert phone(masked) == seen


def test_an_account_that_does_not_mask_hides_nothing(proxy, leads):
    Account.objects.update(mask_phone=False)
    _, token = leads.key(mask_phone=True)
    assert b"+447911123456" in ask(proxy.port, "/leads", token=token).body


def test_a_key_with_hlr_lookup_gets_new_leads_looked_up(proxy, leads):
    _, without = leads.key("Without")
    _, with_lookup = leads.key("With", hlr_lookup=True)
    assert "lookup" not in ask(proxy.port, "/leads", token=without, method="POST", body=LEAD).json["data"]
    data = ask(proxy.port, "/leads", token=with_lookup, method="POST", body=LEAD).json["data"]
    assert data["lookup"] == {"valid": True, "country": "GG", "type": "mobile", "carrier": "JT"}
    invented = b'{"phone": "+4420794"}'
    data = ask(proxy.port, "/leads", token=with_lookup, method="POST", body=invented).json["data"]
    assert data["lookup"]["valid"] is False
    # Only a route that adds leads looks up.
    assert "lookup" not in ask(proxy.port, "/customers", token=with_lookup, method="POST", body=LEAD).json["data"]


def test_a_client_cannot_ask_for_a_lookup_or_for_clear_numbers_by_itself(proxy, leads):
    Account.objects.update(mask_phone=True, mask_digits=0)
    _, token = leads.key(mask_phone=True)
    wanted = (("X-Hlr-Lookup", "true"), ("X-Mask-Phone-Number", "false"), ("X-Phone-Mask", "first=15;last=15"))
    data = ask(proxy.port, "/leads", token=token, method="POST", body=LEAD, headers=wanted).json["data"]
    assert data["phone"] == "+XXXXXXXXXXXX"
    assert "lookup" not in data


@pytest.fixture(scope="module")
def signed(program_of, upstream_port):
    """A proxy whose gateway says that LEAD is what the client signed."""
    with fake_gateway() as fake, program_of.serve(gateway=fake.port, upstream=upstream_port) as proxy:
        fake.says(200, "X-Key-Id: AbCdEfGh1234", f"X-Body-Sha256: {hashlib.sha256(LEAD).hexdigest()}")
        yield proxy


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"


@pytest.mark.quality(8)
def test_a_body_that_is_not_the_signed_one_is_refused_by_the_api(signed, figure):
    assert ask(signed.port, "/leads", method="POST", body=LEAD).status == 201
    others = [b"", LEAD + b" ", LEAD.replace(b"Grace", b"Mallory"), LEAD[:-1], b"{}"]
    for body in others:
        answer = ask(signed.port, "/leads", method="POST", body=body)
        assert (answer.status, answer.json["data"]) == (
            400,
            {"error": "the body cannot be read: it is not the one that was signed"},
        )
    in_pieces = (("Transfer-Encoding", "chunked"),)
    assert ask(signed.port, "/leads", method="POST", headers=in_pieces, raw=chunked(LEAD)).status == 201
    for body in others:
        answer = ask(signed.port, "/leads", method="POST", headers=in_pieces, raw=chunked(body))
        assert answer.status == 400, body
    figure(f"{signed.kind}: {2 * len(others)} bodies changed behind the proxy, all refused by the API")
