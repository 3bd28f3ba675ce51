"""axe, in both colour schemes."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

SCRIPT = Axe().axe_script
RUN = "async options => (await axe.run(document, options)).violations"
# Sheets that sheets import it would put into the page as style elements, which the policy forbids. Nobody reads what is
# in order.
EVERYTHING = {"preload": False, "resultTypes": ["violations"]}
# A scheme changes colours and nothing else.
COLOURS = EVERYTHING | {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
# What was asked for is there, and colours have arrived: half-way there they are nobody's.
SETTLED = """
async () => {
    do await new Promise(requestAnimationFrame);
    while (document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling"));
    const moving = document.getAnimations().filter(each => each instanceof CSSTransition);
    await Promise.allSettled(moving.map(each => each.finished));
}
"""


def assert_accessible(page: Page) -> None:
    """Fail with what axe finds on the page as it is now, light and dark; leave the page light."""
    found = []
    page.evaluate(SCRIPT)
    for scheme, options in (("dark", COLOURS), ("light", EVERYTHING)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.evaluate(SETTLED)
        for violation in page.evaluate(RUN, options):
            where = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
            found.append(f"{page.url} {scheme}: {violation['id']}: {violation['help']}: {', '.join(where)}")
    assert not found, "\n".join(found)
