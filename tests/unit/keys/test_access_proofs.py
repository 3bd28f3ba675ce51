"""Credentials that prove a secret without sending it, usernames beside one, and what ends an overlap."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock
from uuid import UUID

import pytest

from keys.crypto import secrets, signatures
from keys.decision.access import (
    INVALID_CREDENTIALS,
    STALE,
    Call,
    Key,
    PresentedCredential,
    Proof,
    Secret,
    authenticate,
    select_credential,
)
from keys.decision.access import find_secret_ended_by_use as ended
from keys.decision.routes import Route, RouteTable
from tests.unit.keys.test_access import API, NOW, OLD_TOKEN, PEPPERS, TOKEN, a_call, a_key, a_secret

RECORDING = Route(2, "leads", "GET", "/recordings/{lead}", recording=True)
SIGNED = replace(API, credentials=frozenset({"signature", "recording", "basic"}), routes=RouteTable([RECORDING]))


def signing(token: str | None = TOKEN, *, number: int = 1, retires_at: float | None = None) -> Secret:
    return Secret(UUID(int=number), b"", 2, retires_at, False, token)


def proof(token: str = TOKEN, *, since: int = -300, until: int = 300) -> PresentedCredential:
    signature = signatures.sign(token, "the text")
    return PresentedCredential(
        "signature", "AbCdEfGh1234", "", "", Proof("the text", signature, int(NOW) + since, int(NOW) + until)
    )


def reason(presented: PresentedCredential | None, key: Key | None, now: float = NOW) -> str:
    return authenticate(presented, key, SIGNED, now=now, peppers=PEPPERS)[0]


def a_signer(*held: Secret) -> Key:
    return a_key(api=SIGNED, secrets=held or (signing(),))


@pytest.mark.quality(8)
@pytest.mark.parametrize(
    ("seconds", "counts"),
    [(-300, True), (300, True), (0, True), (-300.001, False), (300.001, False), (-301, False), (301, False)],
)
def test_a_time_counts_300_seconds_either_way(seconds, counts):
    assert reason(proof(), a_signer(), NOW + seconds) == ("" if counts else STALE)


def test_what_another_secret_signed_or_is_over_something_else_proves_nothing():
    assert reason(proof(OLD_TOKEN), a_signer()) == INVALID_CREDENTIALS
    good = proof()
    assert good.proof is not None
    assert reason(good._replace(proof=good.proof._replace(text="the next")), a_signer()) == INVALID_CREDENTIALS


def test_a_time_is_told_only_of_what_is_signed_well():
    assert reason(proof(OLD_TOKEN), a_signer(), NOW + 9_000) == INVALID_CREDENTIALS


def test_both_secrets_of_an_overlap_sign_and_a_retired_one_does_not():
    key = a_signer(signing(), signing(OLD_TOKEN, number=2, retires_at=NOW + 1))
    assert [reason(proof(token), key) for token in (TOKEN, OLD_TOKEN)] == ["", ""]
    assert [reason(proof(token), key, NOW + 1) for token in (TOKEN, OLD_TOKEN)] == ["", INVALID_CREDENTIALS]


def test_a_secret_that_is_not_here_signs_nothing():
    assert reason(proof(), a_signer(signing(None))) == INVALID_CREDENTIALS
    empty = proof("")
    assert reason(empty, a_signer(signing(None))) == INVALID_CREDENTIALS
    assert reason(empty, None) == INVALID_CREDENTIALS


@pytest.mark.parametrize("key", [None, a_signer(), a_signer(signing(None)), a_signer(signing(OLD_TOKEN))])
def test_known_or_unknown_costs_one_signature(key, monkeypatch):
    question, sign = proof(), Mock(wraps=signatures.sign)
    monkeypatch.setattr(signatures, "sign", sign)
    reason(question, key)
    assert sign.call_count == 1


@pytest.mark.parametrize(
    ("sent", "username", "right"),
    [("pbx", "pbx", True), ("pbx", "PBX", False), ("", "", False), ("é", "é", True), ("e\u0301", "é", False)],
)
def test_a_username_must_be_the_key_s_own(sent, username, right, monkeypatch):
    key = a_key(api=SIGNED, username=username, secrets=(a_secret(),))
    digest = Mock(wraps=secrets.compute_digest)
    monkeypatch.setattr(secrets, "compute_digest", digest)
    assert reason(PresentedCredential("basic", "AbCdEfGh1234", TOKEN, sent), key) == (
        "" if right else INVALID_CREDENTIALS
    )
    assert digest.call_count == 1


class TestCredential:
    LINK = PresentedCredential("recording", "AbCdEfGh1234", "")

    def of(self, path: str, api=SIGNED, **changes) -> PresentedCredential | None:
        call: Call = a_call(path=path, link=self.LINK, **changes)
        return select_credential(call, api)

    def test_a_recording_takes_the_link_alone(self):
        assert self.of("/recordings/7") is self.LINK
        assert self.of("/recordings/7", method="HEAD") is self.LINK
        assert select_credential(a_call(path="/recordings/7"), SIGNED) is None

    def test_nothing_else_takes_a_link(self):
        for path, changes in (("/customers", {}), ("/recordings/7", {"method": "POST"}), ("/recordings/7/x", {})):
            found = self.of(path, **changes)
            assert found is not None
            assert found.kind == "bearer"
        requested = self.of("/recordings/7", whoami=True)
        assert requested is not None
        assert requested.kind == "bearer"

    def test_a_recording_whose_path_says_more_than_a_lead_takes_nothing(self):
        api = replace(SIGNED, routes=RouteTable([RECORDING._replace(template="/{tenant}/recordings/{lead}")]))
        assert self.of("/other/recordings/7", api) is None


class TestEndedByUse:
    OLD = Secret(UUID(int=1), b"", 2, NOW + 60, True)
    NEW = Secret(UUID(int=2), b"", 2, None)

    def test_the_new_secret_ends_the_old_one(self):
        assert ended(a_key(secrets=(self.NEW, self.OLD)), self.NEW, NOW) is self.OLD

    def test_nothing_else_does(self):
        key = a_key(secrets=(self.NEW, self.OLD))
        assert ended(key, self.OLD, NOW) is None
        assert ended(key, self.NEW, NOW + 60) is None
        assert ended(a_key(secrets=(self.NEW,)), self.NEW, NOW) is None
        patient = self.OLD._replace(ends_on_use=False)
        assert ended(a_key(secrets=(self.NEW, patient)), self.NEW, NOW) is None


def test_no_secret_or_signature_is_in_any_repr():
    question = proof()
    assert question.proof is not None
    call = replace(a_call(), sent_query=f"leadIdKey={'b' * 64}", presented=question)
    shown = repr([signing(), question, question.proof, call, a_signer()])
    assert TOKEN[16:] not in shown
    assert question.proof.signature not in shown
    assert "b" * 64 not in shown
