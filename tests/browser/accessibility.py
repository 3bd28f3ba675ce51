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
# What the rules about structure depend on: each kind of element with its way down from the body, the names of its
# attributes and the values that are words of HTML, whether it has a text and a label and scrolls, and of the page its
# headings and whether its IDs are its elements' own.
SHAPES = """
() => {
    const ways = new Map([[document.body, ""]]);
    const words = ["role", "type", "scope", "tabindex", "aria-hidden", "autocomplete", "lang"];
    const describe = element => element.localName + words.map(name => element.getAttribute(name) ?? "").join();
    const way = element => {
        if (!ways.has(element)) ways.set(element, `${way(element.parentElement)}>${describe(element)}`);
        return ways.get(element);
    };
    const shapes = new Set(), ids = [];
    for (const element of document.body.querySelectorAll("*")) {
        if (element.id) ids.push(element.id);
        if (!element.checkVisibility() || element.closest("svg > *")) continue;
        const scrolls = element.scrollWidth > element.clientWidth && getComputedStyle(element).overflowX !== "visible";
        const named = [!!element.textContent.trim(), element.labels?.length > 0, scrolls];
        shapes.add(`${way(element)} ${element.getAttributeNames().sort()} ${named}`);
    }
    const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")]
        .filter(each => each.checkVisibility()).map(each => each.localName);
    const headings = levels.filter((level, place) => level !== levels[place - 1]);
    const page = [document.documentElement.lang, !!document.title, headings, new Set(ids).size === ids.length];
    return [...shapes, page.join()];
}
"""
# What was asked for is there. A page that is not painted has no frames: they are not waited for without a limit.
SETTLED = """
async () => {
    const began = performance.now();
    do {
        if (performance.now() - began > 30_000) throw new Error("the page does not settle in 30 s");
        await Promise.race([new Promise(requestAnimationFrame), new Promise(next => setTimeout(next, 1000))]);
    } while (document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling, [aria-busy=true]"));
}
"""


# Styles and shapes that were in order on a page before; none with --full, where each page is looked at by itself.
known: set[str] = set()
remembers = True


def assert_accessible(page: Page) -> None:
    """Fail with what axe finds on the page as it is now, light and dark; leave the page light.

    Without --full, contrast is computed for a style (three texts with the same colours, size and backgrounds) on the
    first page that has it, and not again; the page is made dark if it has a new style when it is light. The other rules
    are applied to pages that have a kind of element, or headings, that no page before had.
    """
    page.bring_to_front()
    set_scheme(page, "light")
    styles, shapes = list_new(page, GROUP), list_new(page, SHAPES)
    if not styles and not shapes:
        return
    # Several states of one document need it once.
    if not page.evaluate("'axe' in window"):
        page.evaluate(SCRIPT)
    found = describe(page, "light", page.evaluate(RUN_ON_STYLES, [styles, COLOURS]) if styles else [])
    found += describe(page, "light", page.evaluate(RUN, STRUCTURE) if shapes else [])
    if styles:
        set_scheme(page, "dark")
        dark_styles = list_new(page, GROUP)
        found += describe(page, "dark", page.evaluate(RUN_ON_STYLES, [dark_styles, COLOURS]) if dark_styles else [])
        styles += dark_styles
        set_scheme(page, "light")
    assert not found, "\n".join(found)
    if remembers:
        known.update(styles, shapes)


def set_scheme(page: Page, scheme: Literal["light", "dark"]) -> None:
    # Without transitions, whoever made the page's context: half-way colours are nobody's.
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.evaluate(SETTLED)


def list_new(page: Page, script: str) -> list[str]:
    return [each for each in page.evaluate(script) if each not in known]


def describe(page: Page, scheme: str, violations: list[Any]) -> list[str]:
    found = []
    for violation in violations:
        where = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
        found.append(f"{page.url} {scheme}: {violation['id']}: {violation['help']}: {', '.join(where)}")
    return found
