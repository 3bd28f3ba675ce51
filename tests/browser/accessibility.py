"""axe, in both colour schemes."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

# Several states of one document need it once.
SCRIPT = f"if (!window.axe) {{{Axe().axe_script}}}"
RUN = "async options => (await axe.run(document, options)).violations"
# Sheets that sheets import it would put into the page as style elements, which the policy forbids. Nobody reads what is
# in order. Contrast takes three quarters of axe's time, so it is computed apart.
STRUCTURE = {"preload": False, "resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}}
COLOURS = {"preload": False, "resultTypes": ["violations"], "runOnly": ["color-contrast", "link-in-text-block"]}
# Of texts with the same colours and font before the same backgrounds, three are computed: a list has hundreds.
RUN_ON_STYLES = """
async options => {
    const backgrounds = new Map([[document.documentElement, ""]]);
    const background = element => {
        if (!backgrounds.has(element)) {
            const own = getComputedStyle(element);
            const painted = [own.backgroundColor, own.backgroundImage, own.opacity, own.filter, own.position];
            backgrounds.set(element, background(element.parentElement) + "/" + painted);
        }
        return backgrounds.get(element);
    };
    const alike = new Map();
    for (const element of document.body.querySelectorAll("*")) {
        if (element.childElementCount || !element.textContent.trim() || !element.checkVisibility()) continue;
        const own = getComputedStyle(element);
        const font = [own.color, own.fontSize, own.fontWeight, own.textShadow, own.clip, own.clipPath];
        const style = `${element.localName} ${element.disabled} ${font} ${background(element)}`;
        alike.set(style, [...(alike.get(style) || []), element]);
    }
    const exclude = [...alike.values()].flatMap(elements => elements.slice(3));
    return (await axe.run({include: document, exclude}, options)).violations;
}
"""
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
    for scheme in ("dark", "light"):
        # Without transitions, whoever made the page's context: half-way colours are nobody's.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.evaluate(SETTLED)
        violations = page.evaluate(RUN_ON_STYLES, COLOURS)
        if scheme == "light":
            violations += page.evaluate(RUN, STRUCTURE)
        for violation in violations:
            where = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
            found.append(f"{page.url} {scheme}: {violation['id']}: {violation['help']}: {', '.join(where)}")
    assert not found, "\n".join(found)
