"""Requests that a test holds back, to let them go later or in another order."""

from __future__ import annotations

import re
import time

from playwright.sync_api import Page, Route

WAIT_SECONDS = 20


class HeldRequests:
    """The requests for an address; those after the first `limit` go on."""

    def __init__(self, page: Page, url: str | re.Pattern[str], limit: int = 100) -> None:
        self.routes: list[Route] = []
        self._page = page
        self._limit = limit
        page.route(url, self._hold)

    def _hold(self, route: Route) -> None:
        if len(self.routes) < self._limit:
            self.routes.append(route)
        else:
            route.continue_()

    def wait(self, count: int = 1) -> Route:
        """Wait until so many are held, and return the last of them. The page says that it asks before a route does."""
        deadline = time.monotonic() + WAIT_SECONDS
        while len(self.routes) < count:
            assert time.monotonic() < deadline, f"{len(self.routes)} of {count} requests came"
            self._page.wait_for_timeout(20)
        return self.routes[count - 1]
