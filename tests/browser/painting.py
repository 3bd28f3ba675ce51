"""Until a page is painted, Chromium drops what is typed."""

from __future__ import annotations

from playwright.sync_api import Page

# The second frame begins when the first is painted.
PAINTED = "() => new Promise(next => requestAnimationFrame(() => requestAnimationFrame(next)))"


def press_when_painted(page: Page, key: str) -> None:
    """Press the key on a page that has just been loaded."""
    page.bring_to_front()
    page.evaluate(PAINTED)
    page.keyboard.press(key)
