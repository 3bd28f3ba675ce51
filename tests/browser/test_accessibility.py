"""That the other tests would notice."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.accessibility import assert_accessible

PAGE = """
<!doctype html><html lang="en"><title>Keys</title><style>
    :root { color-scheme: light dark }
    @media (prefers-color-scheme: dark) { p { background: #222; color: %s } }
</style><main><h1>Keys</h1><p>Two.</p>%s</main></html>
"""


def test_what_is_in_order_passes(page: Page) -> None:
    page.set_content(PAGE % ("#eee", "<img src='data:,' alt=''>"))
    assert_accessible(page)


def test_a_fault_of_the_dark_scheme_and_one_of_the_page_are_named(page: Page) -> None:
    page.set_content(PAGE % ("#333", "<img src='data:,'>"))
    with pytest.raises(AssertionError) as found:
        assert_accessible(page)
    assert "dark: color-contrast: " in str(found.value)
    assert "light: image-alt: " in str(found.value)
    assert "light: color-contrast" not in str(found.value)
