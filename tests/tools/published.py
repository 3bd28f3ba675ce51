"""Advisories that were published about packages of the locks, and a server that answers questions about versions from
them as OSV does: the gate is tried with them, where OSV cannot be reached too."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from packaging.version import Version

# Package: identifier in the PyPA's database, alias, and the version that ended it, of each line that was affected.
ADVISORIES = {
    "certifi": ("PYSEC-2023-135", "CVE-2023-37920", [("2015.4.28", "2023.7.22")]),
    "cryptography": ("PYSEC-2023-254", "CVE-2023-49083", [("3.1", "41.0.6")]),
    "django": ("PYSEC-2024-102", "CVE-2024-45230", [("5.1", "5.1.1"), ("5.0", "5.0.9"), ("4.2", "4.2.16")]),
    "django-filter": ("PYSEC-2021-64", "CVE-2020-15225", [("0", "2.4.0")]),
    "gunicorn": ("PYSEC-2018-55", "CVE-2018-1000164", [("0", "19.5.0")]),
    "lxml": ("PYSEC-2022-230", "CVE-2022-2309", [("0", "4.9.1")]),
    "openpyxl": ("PYSEC-2017-48", "CVE-2017-5992", [("0", "2.4.1")]),
    "pip": ("PYSEC-2023-228", "CVE-2023-5752", [("0", "23.3")]),
    "psutil": ("PYSEC-2019-41", "CVE-2019-18874", [("0", "5.6.6")]),
    "pyyaml": ("PYSEC-2021-142", "CVE-2020-14343", [("0", "5.4")]),
    "requests": ("PYSEC-2023-74", "CVE-2023-32681", [("2.3.0", "2.31.0")]),
    "sqlparse": ("PYSEC-2023-87", "CVE-2023-30608", [("0.1.15", "0.4.4")]),
    "tablib": ("PYSEC-2017-95", "CVE-2017-2810", [("0", "0.11.5")]),
    "urllib3": ("PYSEC-2023-212", "CVE-2023-45803", [("2.0.0", "2.0.7"), ("0", "1.26.18")]),
}


class Database(BaseHTTPRequestHandler):
    """OSV's `v1/query`."""

    def do_POST(self) -> None:
        answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(find(answer["package"]["name"], Version(answer["version"]))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


def find(package: str, version: Version) -> dict[str, object]:
    """Return what OSV answers about a version."""
    if package not in ADVISORIES:
        return {}
    name, alias, lines = ADVISORIES[package]
    if not any(Version(first) <= version < Version(fixed) for first, fixed in lines):
        return {}
    events = [{kind: at} for line in lines for kind, at in zip(("introduced", "fixed"), line, strict=True)]
    ranges = [{"type": "ECOSYSTEM", "events": events}]
    affected = [{"package": {"name": package, "ecosystem": "PyPI"}, "ranges": ranges}]
    return {"vulns": [{"id": name, "aliases": [alias], "details": alias, "affected": affected}]}


@contextmanager
def serve() -> Iterator[str]:
    """Yield the address at which the database is asked."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Database) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()
            thread.join()
