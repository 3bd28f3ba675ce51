"""That the other tests would notice."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser import accessibility
from tests.browser.accessibility import assert_accessible

PAGE = """
<!doctype html><html lang="en"><title>Keys</title><style>
    :root { color-scheme: light dark }
    @media (prefers-color-scheme: dark) { p { background: #222; color: %s } }
</style><main><h1>Keys</h1><p>Two.</p>%s</main></html>
"""


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accessibility, "known", set())
    monkeypatch.setattr(accessibility, "remembers", True)


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


def test_one_text_among_many_alike_is_named_if_its_own_colour_or_what_is_behind_it_is_at_fault(page: Page) -> None:
    many = "<b>Key</b> " * 9
    faint = "<b id='faint' style='color: #ccc'>Faint</b>"
    page.set_content(PAGE % ("#eee", f"{many} {faint} {many} <i id='dark' style='background: #222'>{many}</i>"))
    with pytest.raises(AssertionError) as found:
        assert_accessible(page)
    light = str(found.value).split("light: color-contrast: ")[1]
    assert "#faint" in light
    # Three stand for the nine that are alike.
    assert len(light.split(", ")) == 1 + 3


def test_a_style_is_known_on_the_next_page_unless_it_was_at_fault(page: Page) -> None:
    page.set_content(PAGE % ("#eee", ""))
    assert_accessible(page)
    assert accessibility.known
    faint = "<p style='color: #ccc'>Faint</p>"
    for content in (f"<p>Three.</p>{faint}", f"<p>Four.</p>{faint}"):
        page.set_content(PAGE % ("#eee", content))
        with pytest.raises(AssertionError, match="light: color-contrast: "):
            assert_accessible(page)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("<label>Name <input></label><input>", "label"),
        ("<h2>Two</h2><h4>Four</h4>", "heading-order"),
        ("<button>Go</button><button></button>", "button-name"),
        ("<p>One.</p><p aria-hidden='true'><a href='#'>Two</a></p>", "aria-hidden-focus"),
        ("<ul><li>One</li></ul><ul><p>Two</p></ul>", "list"),
    ],
)
def test_a_fault_among_shapes_that_are_known_is_named(page: Page, content: str, rule: str) -> None:
    good = "<label>Name <input></label><h2>Two</h2><h3>Three</h3><button>Go</button><ul><li>One</li></ul>"
    page.set_content(
        PAGE % ("#eee", good + "<p id='b'>One.</p><button aria-describedby='b'>Go</button><a href='#'>A</a>")
    )
    assert_accessible(page)
    page.set_content(PAGE % ("#eee", content))
    with pytest.raises(AssertionError, match=f"light: {rule}: "):
        assert_accessible(page)
