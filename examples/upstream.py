"""A small billing API to stand behind a proxy that asks Keyward. Nothing here checks a key.

    python examples/upstream.py --port 9000

Besides a plausible answer, every response says under `received` what arrived: who calls, as the identity headers
(X-Key-Id, X-Account, X-Owner, ...) say it, and all other headers. An API reads them; it must be reachable through the
proxy alone, because whoever can reach it directly can claim anything.

It keeps what a key promises: phone numbers in its answers are masked as X-Phone-Mask says, a body that is not the one
that was signed (X-Body-Sha256) is refused, a query is read as it was signed, and the numbers of new leads are looked up
where X-Hlr-Lookup says so.
Standard library only, but for the look-up, which needs the `phonenumbers` package.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import unquote

IDENTITY = (
    *("X-Key-Id", "X-Key-Name", "X-Account", "X-Owner", "X-Modules", "X-Module", "X-Mask-Phone-Number"),
    *("X-Phone-Mask", "X-Body-Sha256", "X-Hlr-Lookup", "X-Request-Id"),
)

Records = dict[str, dict[str, object]]

CUSTOMERS: Records = {
    "1001": {"id": "1001", "name": "Northwind Telecom", "status": "active", "phone": "+442079460123"},
    "1002": {"id": "1002", "name": "Contoso Voice", "status": "suspended", "phone": "+493012345678"},
}
INVOICES: Records = {"2001": {"id": "2001", "customer": "1001", "total": "120.50", "currency": "EUR", "lines": []}}
PAYMENTS: Records = {"3001": {"id": "3001", "customer": "1001", "amount": "100.00", "currency": "EUR"}}
LEADS: Records = {"5001": {"id": "5001", "name": "Ada Example", "phone": "+447911123456"}}
REPORTS: Records = {"6001": {"id": "6001", "name": "Calls of the week", "rows": 120}}
RECORDINGS: Records = {"lead-7": {"id": "lead-7", "seconds": 63}}
CDRS = [{"id": "4001", "from": "+442079460123", "to": "+493012345678", "seconds": 63, "direction": "outbound"}]

OTHERS = (
    *("advertisers", "buyers", "campaigns", "contacts", "customers", "extensions", "messages", "offers", "partners"),
    *("phone-numbers", "publishers", "statuses", "streams"),
)

Answer = tuple[HTTPStatus, object]


def listed(items: Records) -> Answer:
    return HTTPStatus.OK, {"items": list(items.values()), "next": None}


def one(items: Records, number: str) -> Answer:
    if number not in items:
        return HTTPStatus.NOT_FOUND, {"error": f"there is no {number}"}
    return HTTPStatus.OK, items[number]


def made(sent: object) -> Answer:
    """Return the sent object as if it were stored; this example keeps nothing."""
    return HTTPStatus.CREATED, {"id": "9001", **(sent if isinstance(sent, dict) else {})}


def changed(number: str, sent: object) -> Answer:
    status, customer = one(CUSTOMERS, number)
    if status == HTTPStatus.OK and isinstance(sent, dict) and isinstance(customer, dict):
        customer = {**customer, **sent}
    return status, customer


class Provider(Protocol):
    """Looks up phone numbers."""

    def look_up(self, number: str) -> dict[str, object]: ...


class Offline:
    """Answers from numbering plans; a provider that queries networks would know whether the number is in use."""

    def look_up(self, number: str) -> dict[str, object]:
        try:
            import phonenumbers
            from phonenumbers import carrier
        except ImportError:
            return {"error": "the phonenumbers package is not installed"}
        try:
            parsed = phonenumbers.parse(number)
        except phonenumbers.NumberParseException:
            return {"valid": False, "country": None, "type": None, "carrier": None}
        kind = phonenumbers.PhoneNumberType.to_string(phonenumbers.number_type(parsed))
        return {
            "valid": phonenumbers.is_valid_number(parsed),
            "country": phonenumbers.region_code_for_number(parsed),
            "type": kind.lower(),
            "carrier": carrier.name_for_number(parsed, "en") or None,
        }


def looked_up(lead: object, provider: Provider) -> object:
    """Return the lead with what is known about its phone number."""
    if not isinstance(lead, dict) or "phone" not in lead:
        return lead
    return {**lead, "lookup": provider.look_up(str(lead["phone"]))}


# As Keyward's own logs read one: 7 to 15 digits, with no letter, digit, _ or - beside them.
PHONE = re.compile(r"(?<![A-Za-z0-9_-])[0-9]{7,15}(?![A-Za-z0-9_-])")


def masked(data: object, mask: str) -> object:
    """Return `data` with an X for each digit of its phone numbers that `first=N;last=N` does not leave visible."""
    if isinstance(data, dict):
        return {name: masked(value, mask) for name, value in data.items()}
    if isinstance(data, list):
        return [masked(value, mask) for value in data]
    if not isinstance(data, str):
        return data
    # A mask that cannot be read leaves nothing visible.
    read = re.fullmatch(r"first=([0-9]+);last=([0-9]+)", mask)
    first, last = (int(read[1]), int(read[2])) if read else (0, 0)

    def hidden(number: re.Match[str]) -> str:
        digits = number[0]
        left, right = digits[:first], digits[max(len(digits) - last, first) :]
        return left + "X" * (len(digits) - len(left) - len(right)) + right

    return PHONE.sub(hidden, data)


def parameters(query: str) -> dict[str, list[str]]:
    """Return the values of each name of a query, read as a signature reads it: `+` is a plus, `a` is `a=`, and neither
    empty pieces nor any order count. So two queries that have the same signature give the same."""
    read: dict[str, list[str]] = {}
    for piece in filter(None, query.split("&")):
        # Decoding forms, as parse_qs does, would make a space of a plus.
        name, _, value = piece.partition("=")
        read.setdefault(unquote(name), []).append(unquote(value))
    return {name: sorted(values) for name, values in sorted(read.items())}


def balance(number: str) -> Answer:
    status, customer = one(CUSTOMERS, number)
    return (status, customer) if status != HTTPStatus.OK else (status, {"balance": "42.00", "credit_limit": "500.00"})


# Method, path, and the answer from the path's variable parts and the body that was sent.
ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", "/customers", lambda sent: listed(CUSTOMERS)),
    ("POST", "/customers", made),
    ("GET", "/customers/([^/]+)", lambda number, sent: one(CUSTOMERS, number)),
    ("PATCH", "/customers/([^/]+)", changed),
    ("GET", "/customers/([^/]+)/balance", lambda number, sent: balance(number)),
    ("POST", "/customers/([^/]+)/balance/adjustments", lambda number, sent: made(sent)),
    ("GET", "/invoices", lambda sent: listed(INVOICES)),
    ("GET", "/invoices/([^/]+)", lambda number, sent: one(INVOICES, number)),
    ("GET", "/invoices/([^/]+)/document", lambda number, sent: one(INVOICES, number)),
    ("GET", "/payments", lambda sent: listed(PAYMENTS)),
    ("POST", "/payments", made),
    ("GET", "/payments/([^/]+)", lambda number, sent: one(PAYMENTS, number)),
    ("GET", "/leads", lambda sent: listed(LEADS)),
    ("POST", "/leads", made),
    ("GET", "/reports", lambda sent: listed(REPORTS)),
    ("GET", "(?:/v1/accounts/[^/]+)?/calls", lambda sent: (HTTPStatus.OK, {"items": CDRS, "next": None})),
    ("GET", "/recordings/([^/]+)", lambda lead, sent: one(RECORDINGS, lead)),
    ("GET", "/cdrs", lambda sent: (HTTPStatus.OK, {"items": CDRS, "next": None})),
    # Lists of the other presets, of which it has nothing.
    ("GET", f"(?:/v1|/v1/accounts/[^/]+|/api/v1)?/(?:{'|'.join(OTHERS)})", lambda sent: listed({})),
    ("POST", f"(?:/v1|/v1/accounts/[^/]+|/api/v1)?/(?:{'|'.join(OTHERS)})", made),
    ("GET", "/api/v1/balance", lambda sent: (HTTPStatus.OK, {"balance": "42.00", "currency": "EUR"})),
]


def respond(method: str, path: str, sent: object) -> Answer:
    method = "GET" if method == "HEAD" else method
    for route_method, pattern, answer in ROUTES:
        match = re.fullmatch(pattern, path)
        if match and method == route_method:
            return answer(*match.groups(), sent)
    return HTTPStatus.NOT_FOUND, {"error": f"{method} {path} is not of this API"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "upstream"
    provider: Provider = Offline()

    def answer(self) -> None:
        # The request line as it came: http.server itself would merge leading slashes.
        raw_path, _, raw_query = self.requestline.split(" ")[1].partition("?")
        body, path = b"", unquote(raw_path)
        try:
            body = self.body()
            sent = json.loads(body) if body else None
            if self.headers.get("X-Hlr-Lookup") == "true" and (self.command, path) == ("POST", "/leads"):
                sent = looked_up(sent, self.provider)
            status, data = respond(self.command, path, sent)
        except ValueError as error:
            status, data = HTTPStatus.BAD_REQUEST, {"error": f"the body cannot be read: {error}"}
        if self.headers.get("X-Mask-Phone-Number") == "true":
            data = masked(data, self.headers.get("X-Phone-Mask", ""))
        received = {
            "method": self.command,
            "path": raw_path,
            "query": raw_query,
            "parameters": parameters(raw_query),
            "body_bytes": len(body),
            "identity": {name: self.headers[name] for name in IDENTITY if name in self.headers},
            "headers": [f"{name}: {value}" for name, value in self.headers.items() if name.lower() != "authorization"],
        }
        self.write(status, json.dumps({"data": data, "received": received}, indent=1).encode() + b"\n")

    def body(self) -> bytes:
        """Return the whole body. Raise ValueError if it is not the one that was signed, or has no length."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            body = b"".join(self.chunks())
        elif length.isdecimal():
            body = self.rfile.read(int(length))
        else:
            self.close_connection = True
            raise ValueError("its length is no number")
        signed = self.headers.get("X-Body-Sha256", "")
        if signed and hashlib.sha256(body).hexdigest() != signed:
            raise ValueError("it is not the one that was signed")
        return body

    def chunks(self) -> Iterator[bytes]:
        # Unless it is read to its end, nothing that follows is a request.
        self.close_connection, kept = True, self.close_connection
        while size := self.chunk_size():
            yield self.rfile.read(size)
            self.rfile.readline(3)
        while self.rfile.readline(8192).strip():
            pass
        self.close_connection = kept

    def chunk_size(self) -> int:
        size = self.rfile.readline(100).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
            raise ValueError("a chunk's size is no number")
        return int(size, 16)

    def write(self, status: HTTPStatus, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the API logs page has every call."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors of connections, because a proxy may drop idle ones."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    parser = argparse.ArgumentParser(description="A small billing API to stand behind a proxy that asks Keyward.")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--bind", default="127.0.0.1", help="the address to listen on")
    arguments = parser.parse_args()
    # Ctrl-C ends it even where a shell had it ignored, as shells do for what they start in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Server((arguments.bind, arguments.port), Handler) as server:
        print(f"Upstream: http://{arguments.bind}:{server.server_port}", flush=True)  # noqa: T201
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
