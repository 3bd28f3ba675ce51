"""Build the instructions shown with a secret: its parts to copy, and example calls, for each kind of credential."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from keys.apis.policy import Policy
from keys.docs import curl, granted
from keys.docs.documentation import get_documentation
from keys.docs.page import build_first_call, get_recordings_link, get_request_link
from keys.models import Key


class CredentialLine(NamedTuple):
    """A line to copy. Only `secret` is confidential."""

    caption: str
    secret: str
    before: str = ""
    after: str = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.caption})"


class CredentialInstructions(NamedTuple):
    """What the page of a new or revealed secret shows.

    `word` names the secret; `public` are (label, value) pairs that are not secret; `lines` contain the secret, complete
    example calls last. `placeholder` is the example host in those calls if no request link is set.
    """

    word: str
    use: str
    public: tuple[tuple[str, str], ...]
    lines: tuple[CredentialLine, ...]
    placeholder: str = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.word})"


def build_credential(key: Key, rules: Policy, token: str) -> CredentialInstructions:
    """Return the instructions for the key's credential with this token."""
    link = get_request_link(get_documentation(key.api).server, rules, key.api.request_link)
    calls = tuple(_list_example_calls(key, rules, token))
    host = link.host if calls and not link.is_configured else ""
    if rules.signs:
        use = "Clients sign each call with the secret and send the API ID. The secret itself is never sent."
        return CredentialInstructions(
            "Secret", use, (("API ID", key.public_id),), (CredentialLine("Secret", token), *calls), host
        )
    if "basic" in rules.credentials:
        pair = base64.b64encode(f"{key.username}:{token}".encode()).decode()
        header = CredentialLine("Full header", pair, "Authorization: Basic ")
        use = "Clients send the username and password with each call (HTTP Basic)."
        public = ((rules.name_label, key.username),)
        return CredentialInstructions(
            "Password", use, public, (CredentialLine("Password", token), header, *calls), host
        )
    headers = (CredentialLine("Full header", token, rules.header),) if rules.header else ()
    use = "Clients send the token with each call."
    return CredentialInstructions("Token", use, (), (CredentialLine("Token", token), *headers, *calls), host)


def _list_example_calls(key: Key, rules: Policy, token: str) -> Iterator[CredentialLine]:
    """Yield a complete call with each kind of credential of the key; nothing if the key may call no route."""
    documentation, modules = get_documentation(key.api), granted.get_key_modules(key)
    link = get_request_link(documentation.server, rules, key.api.request_link)
    if any(not route.recording for module in modules for route in module.routes) or rules.unlisted_routes == "allow":
        call = build_first_call(documentation, modules, link)
        changes = "" if call.method == "GET" else f" ({call.method}, may change data)"
        caption = f"Example call with curl{changes}"
        if rules.signs:
            signed = curl.build_signed_call(call, key.public_id)
            yield CredentialLine(f"Example call with curl and openssl{changes}", token, *signed)
        elif "basic" in rules.credentials:
            yield CredentialLine(caption, shlex.quote(f"{key.username}:{token}"), *curl.build_basic_call(call))
        elif rules.header:
            yield CredentialLine(caption, token, *curl.build_token_call(call, rules.header))
    if key.recordings and "recording" in rules.credentials:
        before_lead = get_recordings_link(granted.get_api_modules(key.api), link)
        yield CredentialLine(
            f"Download the recording of a lead (example: {curl.LEAD})",
            token,
            *curl.build_recording_download(before_lead, key.public_id),
        )
