"""A receiver of Keyward's webhooks: it verifies each notice before it believes it.

    WEBHOOK_SECRET=whsec_... python examples/webhook_receiver.py --port 9000

A notice is genuine if one of its signatures is right, and new if its timestamp is of the last five minutes and its ID
was not seen before. Answers 204 for what was taken, also for what was seen before (so that it is not sent again), and
401 for the rest. Serve it behind a proxy that ends TLS: Keyward sends to https:// alone. Standard library only.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import json
import os
import sys
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

TOLERANCE_SECONDS = 300
MAX_BODY_BYTES = 1_000_000


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Return whether the notice was signed with the secret, within the last five minutes."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = base64.b64encode(hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256"))
    # After a rotation there are two signatures, separated by a space.
    given = [each.partition(",") for each in headers.get("webhook-signature", "").split()]
    return any(version == "v1" and hmac.compare_digest(right, text.encode()) for version, _, text in given)


class Receiver(BaseHTTPRequestHandler):
    """Takes notices. `seen` would be a table with a unique index on the ID in a program that must not act twice."""

    secret = ""
    seen: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), MAX_BODY_BYTES))
        if not verify(self.secret, self.headers, body, time.time()):
            self.send_response(401)
        else:
            if self.headers["webhook-id"] not in self.seen:
                self.seen.add(self.headers["webhook-id"])
                self.handle_notice(json.loads(body))
            self.send_response(204)
        self.end_headers()

    def handle_notice(self, notice: dict[str, object]) -> None:
        print(notice["type"], json.dumps(notice["data"]), flush=True)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description="Receive Keyward's webhooks and print what was verified.")
    parser.add_argument("--port", type=int, default=9000)
    Receiver.secret = os.environ.get("WEBHOOK_SECRET", "")
    if not Receiver.secret.startswith("whsec_"):
        sys.exit("WEBHOOK_SECRET is not set: it must be the signing secret, whsec_…")
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Receiver)
    print(f"Listening on port {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
