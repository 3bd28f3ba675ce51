"""How a credential is handed over: what it is made of, each part to copy, in the words of its kind."""

from __future__ import annotations

import base64
import shlex
from typing import NamedTuple

from keys.apis.policy import Policy
from keys.models import Key


class Line(NamedTuple):
    """A line to copy: what stands before the secret is no secret."""

    caption: str
    secret: str
    before: str = ""

    def __repr__(self) -> str:
        return f"Line({self.caption})"


class Credential(NamedTuple):
    """`word` is what people call the secret; `public` is what may be seen of it, (label, value)."""

    word: str
    use: str
    public: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]

    def __repr__(self) -> str:
        return f"Credential({self.word})"


def shown(key: Key, rules: Policy, token: str) -> Credential:
    if rules.signs:
        use = "Clients sign each call with the secret and send the API ID; the secret itself is never sent."
        return Credential("Secret", use, (("API ID", key.public_id),), (Line("Secret", token),))
    if "basic" in rules.credentials:
        pair = f"{key.username}:{token}"
        lines = (
            Line("Password", token),
            Line("The full header, to paste", base64.b64encode(pair.encode()).decode(), "Authorization: Basic "),
            Line("With curl", shlex.quote(pair), "curl -u "),
        )
        use = "Clients send username and password with each call, by HTTP Basic."
        return Credential("Password", use, ((rules.name_label, key.username),), lines)
    header = (Line("The full header, to paste", token, rules.header),) if rules.header else ()
    return Credential("Token", "Clients send the token with each call.", (), (Line("Token", token), *header))
