"""axe, in both colour schemes."""

from __future__ import annotations

from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

SCRIPT = f"if (!window.axe) {{{Axe().axe_script}}}"
RUN = "async options => (await axe.run(document, options)).violations"
# Sheets that sheets import it would put into the page as style elements, which the policy forbids. Nobody reads what is
# in order. Contrast takes three quarters of axe's time, so it is computed apart.
STRUCTURE = {"preload": False, "resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}}
COLOURS = {"preload": False, "resultTypes": ["violations"], "runOnly": ["color-contrast", "link-in-text-block"]}
# Elements with a text of their own by what contrast depends on: their colour and the size of their font, and what is
# painted behind them since the last opaque background. For links also the text around them.
GROUP = """
() => {
    const behind = new Map([[document.documentElement, {painted: "", effects: ""}]]);
    const look = element => {
        if (!behind.has(element)) {
            const own = getComputedStyle(element), outer = look(element.parentElement);
            const place = ["absolute", "fixed", "sticky"].includes(own.position) ? own.position : "";
            const layer = `${[own.backgroundColor, own.backgroundImage, place]}`;
            const effect = `${[own.opacity, own.filter]}`;
            const opaque = own.backgroundColor.startsWith("rgb(") && own.backgroundImage === "none";
            const added = layer === "rgba(0, 0, 0, 0),none," ? "" : `/${layer}`;
            behind.set(element, {
                painted: opaque ? own.backgroundColor : outer.painted + added,
                effects: outer.effects + (effect === "1,none" ? "" : `/${effect}`),
            });
        }
        return behind.get(element);
    };
    const hasText = element => element.matches("a[href], button, input, select, textarea")
        || [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
    window.alike = new Map();
    for (const element of document.body.querySelectorAll("*")) {
        if (!hasText(element) || !element.checkVisibility()) continue;
        const own = getComputedStyle(element), around = getComputedStyle(element.parentElement);
        const size = parseFloat(own.fontSize), isBold = own.fontWeight >= 700;
        const isLarge = size >= 24 || (isBold && size >= 18.66);
        const contrasts = [own.fontWeight, own.textDecorationLine, around.color, around.fontWeight];
        const link = element.matches("a") ? contrasts : "";
        const font = [own.color, isLarge, own.textShadow, own.clip, own.clipPath, element.disabled, link];
        const style = [...font, look(element).painted, look(element).effects].join(" ");
        alike.set(style, [...(alike.get(style) || []), element]);
    }
    return [...alike.keys()];
}
"""
# Of elements that are alike three are computed: a list has hundreds.
RUN_ON_STYLES = """
async ([styles, options]) =>
    (await axe.run({include: styles.flatMap(style => alike.get(style).slice(0, 3))}, options)).violations
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


# Styles whose contrast was in order on a page before. None with --full: there each page is computed by itself.
known_styles: set[str] | None = set()


def assert_accessible(page: Page) -> None:
    """Fail with what axe finds on the page as it is now, light and dark; leave the page light.

    Without --full, contrast is computed for a style (three texts with the same colours, size and backgrounds) on the
    first page that has it, and not again; the page is made dark if it has a new style when it is light.
    """
    page.bring_to_front()
    # Several states of one document need it once.
    if not page.evaluate("'axe' in window"):
        page.evaluate(SCRIPT)
    set_scheme(page, "light")
    has_new_styles, violations = compute_contrast(page)
    found = describe(page, "light", [*violations, *page.evaluate(RUN, STRUCTURE)])
    if has_new_styles:
        set_scheme(page, "dark")
        found += describe(page, "dark", compute_contrast(page)[1])
        set_scheme(page, "light")
    assert not found, "\n".join(found)


def set_scheme(page: Page, scheme: Literal["light", "dark"]) -> None:
    # Without transitions, whoever made the page's context: half-way colours are nobody's.
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.evaluate(SETTLED)


def compute_contrast(page: Page) -> tuple[bool, list[Any]]:
    """Return whether the page has styles that are not known yet, and axe's violations of the rules about colours."""
    styles = [style for style in page.evaluate(GROUP) if style not in (known_styles or ())]
    if not styles:
        return False, []
    violations: list[Any] = page.evaluate(RUN_ON_STYLES, [styles, COLOURS])
    if known_styles is not None and not violations:
        known_styles.update(styles)
    return True, violations


def describe(page: Page, scheme: str, violations: list[Any]) -> list[str]:
    found = []
    for violation in violations:
        where = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
        found.append(f"{page.url} {scheme}: {violation['id']}: {violation['help']}: {', '.join(where)}")
    return found
