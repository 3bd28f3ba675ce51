"""axe, in both colour schemes."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page


def assert_accessible(page: Page) -> None:
    """Fail with what axe finds on the page as it is now, light and dark; leave the page light."""
    found = []
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        # Sheets that sheets import it would put into the page as style elements, which the policy forbids.
        for violation in Axe().run(page, options={"preload": False}).response["violations"]:
            where = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
            found.append(f"{page.url} {scheme}: {violation['id']}: {violation['help']}: {', '.join(where)}")
    assert not found, "\n".join(found)
