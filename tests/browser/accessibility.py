"""axe, in both colour schemes."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

# Several states of one document need it once.
SCRIPT = f"if (!window.axe) {{{Axe().axe_script}}}"
RUN = "async options => (await axe.run(document, options)).violations"
# Sheets that sheets import it would put into the page as style elements, which the policy forbids. Nobody reads what is
# in order.
EVERYTHING = {"preload": False, "resultTypes": ["violations"]}
# A scheme changes colours and nothing else.
COLOURS = EVERYTHING | {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
# What was asked for is there. A page that is not painted has no frames: they are not waited for without a limit.
SETTLED = """
async () => {
    const began = performance.now();
    do {
        if (performance.now() - began > 30_000) throw new Error("the page does not settle in 30 s");
        await Promise.race([new Promise(requestAnimationFrame), new Promise(next => setTimeout(next, 1000))]);
    } while (document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling"));
}
"""


def assert_accessible(page: Page) -> None:
    """Fail with what axe finds on the page as it is now, light and dark; leave the page light."""
    found = []
    page.bring_to_front()
    page.evaluate(SCRIPT)
    for scheme, options in (("dark", COLOURS), ("light", EVERYTHING)):
        # Without transitions, whoever made the page's context: half-way colours are nobody's.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.evaluate(SETTLED)
        for violation in page.evaluate(RUN, options):
            where = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
            found.append(f"{page.url} {scheme}: {violation['id']}: {violation['help']}: {', '.join(where)}")
    assert not found, "\n".join(found)
