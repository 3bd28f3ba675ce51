"""Signatures are those of Standard Webhooks."""

from __future__ import annotations

import base64

from keys.notices.signature import PREFIX, build_headers, generate_secret, sign

# The test vector of the specification's own libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'


def test_the_published_vector_has_the_published_signature() -> None:
    signature = sign(SECRET, message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=BODY)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_are_two_signatures() -> None:
    other = generate_secret()
    headers = build_headers([SECRET, other], message_id="msg_1", timestamp=1, body=BODY)
    first, second = headers["webhook-signature"].split(" ")
    assert first == sign(SECRET, message_id="msg_1", timestamp=1, body=BODY)
    assert second == sign(other, message_id="msg_1", timestamp=1, body=BODY)


def test_a_secret_has_256_bits_and_is_never_the_same() -> None:
    made = {generate_secret() for _ in range(10)}
    assert len(made) == 10
    assert {len(base64.b64decode(secret.removeprefix(PREFIX))) for secret in made} == {32}
