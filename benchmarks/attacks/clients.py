"""Clients with a credential, which time their calls and pages. A refused request ends the benchmark."""

from __future__ import annotations

import http.client
import threading
import time
from itertools import cycle
from typing import TYPE_CHECKING

from benchmarks.contenders import build_nginx_headers
from benchmarks.installation import get_session_cookie

if TYPE_CHECKING:
    from benchmarks.attacks.measure import Installation

# Between two requests of one client, so that the clients are no load.
CALL_PAUSE, PAGE_PAUSE = 0.004, 0.05


class Client:
    """Sends requests in two threads, over a kept connection and over a new one for each request."""

    pause = CALL_PAUSE
    path = "/"

    def __init__(self, port: int) -> None:
        self._port = port

    def headers(self) -> dict[str, str]:
        raise NotImplementedError

    def measure(self, seconds: float) -> list[float]:
        """Send requests for so many seconds; return their milliseconds, sorted. Raise SystemExit if one is refused."""
        took: list[float] = []
        refused: list[str] = []
        until = time.perf_counter() + seconds

        def ask(anew: bool) -> None:
            connection = self._connect()
            while time.perf_counter() < until and not refused:
                began = time.perf_counter()
                if anew:
                    connection.close()
                    connection = self._connect()
                try:
                    connection.request("GET", self.path, headers=self.headers())
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException) as error:
                    refused.append(type(error).__name__)
                    return
                took.append((time.perf_counter() - began) * 1000)
                if answer.status != 200:
                    refused.append(f"{answer.status} {answer.getheader('location', '')}".strip())
                time.sleep(self.pause)
            connection.close()

        threads = [threading.Thread(target=ask, args=(anew,)) for anew in (False, True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if refused:
            raise SystemExit(f"{self.path} was refused: {refused[0]}")
        return sorted(took)

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)


class Calls(Client):
    """Verifications, as a proxy sends them."""

    path = "/v1/verify/billing"

    def __init__(self, installed: Installation) -> None:
        super().__init__(installed.gateway.port)
        self._tokens = cycle(installed.tokens[1:])
        self._asked = build_nginx_headers()

    def headers(self) -> dict[str, str]:
        return self._asked | {"Authorization": f"Bearer {next(self._tokens)}"}


class Pages(Client):
    """The list of keys of a signed-in user."""

    pause, path = PAGE_PAUSE, "/keys/"

    def __init__(self, installed: Installation) -> None:
        from accounts.models import User

        super().__init__(installed.portal.port)
        self._cookie = get_session_cookie(User.objects.get(nickname="alice"))

    def headers(self) -> dict[str, str]:
        return {"Host": "localhost", "Cookie": self._cookie}
