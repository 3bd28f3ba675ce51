"""Build example calls as one curl command each, for the page that shows a new secret. Pure.

A command is split around the secret, (before, after), so that the page can hide only the secret. Unlike the documented
programs it contains the secret on the command line, where other users of the machine can see it while it runs.
"""

from __future__ import annotations

import shlex
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from keys.crypto import signatures
from keys.docs.page import FirstCall

# The same as in the documented programs.
LEAD = "lead-7"
LINK_SECONDS = 3600
# HMAC-SHA256 of standard input in hex; the key is the shell variable `secret`.
_HMAC = """openssl dgst -sha256 -hmac "$secret" | sed 's/.* //'"""


class SplitCommand(NamedTuple):
    """The parts of a command before and after the secret."""

    before: str
    after: str


def build_token_call(call: FirstCall, header: str) -> SplitCommand:
    """Return a call with a token. `header` is the text before the token, as in keys.apis.policy.HEADERS."""
    return SplitCommand(f"curl --include {_build_write_options(call)}--header '{header}", f"' {shlex.quote(call.url)}")


def build_basic_call(call: FirstCall) -> SplitCommand:
    """Return a call with HTTP Basic, split around `username:password`, which is quoted for the shell."""
    return SplitCommand(f"curl --include {_build_write_options(call)}--user ", f" {shlex.quote(call.url)}")


def build_signed_call(call: FirstCall, api_id: str) -> SplitCommand:
    """Return a call that signs itself when it runs, because a signature expires. Needs openssl beside curl."""
    parts, body = urlsplit(call.url), sha256(call.body.encode()).hexdigest()
    method, path, query, *_ = signatures.build_string_to_sign(
        method=call.method, path=unquote(parts.path) or "/", query=parts.query, timestamp="", nonce="", body_sha256=body
    ).split("\n")
    lines = f'{method} {shlex.quote(path)} {shlex.quote(query)} "$now" "$nonce" {body}'
    headers = (
        f"'X-Api-Id: {api_id}'",
        '"X-Timestamp: $now"',
        '"X-Nonce: $nonce"',
        f"'X-Body-Sha256: {body}'",
        f"\"X-Signature: $(printf '%s\\n%s\\n%s\\n%s\\n%s\\n%s' {lines} | {_HMAC})\"",
    )
    options = " ".join(f"--header {header}" for header in headers)
    return SplitCommand(
        "(secret='",
        f"'; now=$(date +%s); nonce=$(openssl rand -hex 16); "
        f"curl --include {_build_write_options(call)}{options} {shlex.quote(call.url)})",
    )


def build_recording_download(before_lead: str, api_id: str) -> SplitCommand:
    """Return a command that downloads an example recording. `before_lead` is the link up to the lead ID."""
    key = f'$(printf \'%s.%s\' "$lead" "$expires" | {_HMAC})'
    return SplitCommand(
        "(secret='",
        f"'; lead={LEAD}; expires=$(($(date +%s) + {LINK_SECONDS})); "
        f"curl --output \"recording-$lead\" --write-out '%{{http_code}}\\n' "
        f'{shlex.quote(before_lead + "/")}"$lead?apiId={api_id}&expires=$expires&leadIdKey={key}")',
    )


def _build_write_options(call: FirstCall) -> str:
    """Return the curl options for method and body."""
    options = [] if call.method == "GET" else [f"--request {call.method}"]
    if call.body:
        options += ["--header 'Content-Type: application/json'", f"--data-raw {shlex.quote(call.body)}"]
    return "".join(f"{option} " for option in options)
