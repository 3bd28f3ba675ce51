"""A person at a browser: keeps cookies, follows redirects, sends forms, and verifies TLS."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPSHandler, Request, build_opener


class Visitor:
    """`port` of this host's loopback address leads to port 443 of all names; `authority` signed their certificates."""

    def __init__(self, portal: str, port: int, authority: Path) -> None:
        context = ssl.create_default_context(cafile=str(authority))

        class Connection(http.client.HTTPSConnection):
            def connect(self) -> None:
                plain = socket.create_connection(("127.0.0.1", port), 60)
                self.sock = context.wrap_socket(plain, server_hostname=self.host)

        class Handler(HTTPSHandler):
            def https_open(self, request: Request) -> http.client.HTTPResponse:
                return self.do_open(Connection, request)

        self.portal, self.url, self.status, self.page = portal, portal, 0, ""
        self._opener = build_opener(Handler(), HTTPCookieProcessor(CookieJar()))

    def open(self, path: str, **fields: str) -> str:
        """Return the page at a path of the portal or at a URL, after its redirects; send it the fields, if any."""
        url = path if "://" in path else self.portal + path
        data = urlencode(fields).encode() if fields else None
        headers = {"Referer": url, "Accept": "text/html"}
        try:
            answer = self._opener.open(Request(url, data, headers), timeout=60)
        except HTTPError as error:
            answer = error
        with answer:
            self.status, self.url, self.page = answer.status, answer.url, answer.read().decode()
        return self.page

    def submit(self, **fields: str) -> str:
        """Send fields to the present page, with the hidden ones of its forms; return the page that follows."""
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', self.page)
        return self.open(self.url, **{name: unescape(value) for name, value in hidden} | fields)
