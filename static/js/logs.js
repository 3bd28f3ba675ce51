// The log's live tail, and times typed in the reader's own zone.
"use strict";
(() => {
  const $ = (selector) => document.querySelector(selector);
  const EVERY = 2_000;
  const MAX_ROWS = 200; // that stay on the page, besides those that were asked for

  // From and To are in UTC, or in the reader's zone if the clock was switched to it.
  const zone = () => {
    const field = $(".filters input[name=zone]");
    if (field) field.value = document.documentElement.dataset.clock === "local" ? Intl.DateTimeFormat().resolvedOptions().timeZone : "";
  };
  document.addEventListener("click", (event) => event.target.closest("[data-switch] button") && setTimeout(zone));
  zone();

  const button = $("[data-live]");
  if (!button) return;
  let timer = 0;
  let run = 0; // another with each press: what an earlier one asked for is dropped
  let loaded = 0; // rows that were asked for
  const label = button.querySelector("span");
  const on = () => button.getAttribute("aria-pressed") === "true";
  const aimedAt = () => matchMedia("(hover: hover)").matches && $("[data-tail] tbody:hover") !== null;
  const set = (live) => {
    button.setAttribute("aria-pressed", live);
    label.textContent = live ? "Live, on" : "Live";
    clearTimeout(timer);
    run += 1;
    if (live) timer = setTimeout(look, 0, run);
  };
  const look = async (own) => {
    const list = $("[data-tail]");
    if (!list) return set(false); // an older page
    // Rows do not move away from under a pointer that is on its way to one of them.
    label.textContent = aimedAt() ? "Live, paused" : "Live, on";
    if (document.visibilityState === "visible" && !$("dialog[open]") && !aimedAt()) await fetchRows(list, own);
    if (own === run) timer = setTimeout(look, EVERY, own);
  };
  const fetchRows = async (list, own) => {
    const address = new URL(list.dataset.tail, location.href);
    address.searchParams.set("newest", list.dataset.newest);
    const [answer, html] = await keyward.load(address, { "X-Background": "1" });
    if (own !== run || !list.isConnected || !answer || answer.status === 204) return;
    if (!answer.ok || answer.redirected || answer.headers.has("HX-Redirect")) return set(false);
    const rows = document.createElement("template");
    rows.innerHTML = html;
    if (aimedAt()) return; // asked for again when the pointer has gone
    const body = list.querySelector("tbody");
    if (!body) return location.reload(); // the first row ever: the page says it as a whole
    const first = rows.content.firstElementChild;
    list.dataset.newest = first.dataset.position;
    for (const row of rows.content.children) row.classList.add("fresh");
    // Under a finger rows do not move either.
    window.keyward.released(() => {
      body.prepend(rows.content);
      keyward.tick(body);
      keyward.group(body);
      while (body.children.length > MAX_ROWS + loaded) body.lastElementChild.remove();
    });
  };
  // Rows that one answer left out: the next of them take the place of the row that stands for them.
  const loadGap = async (gap, link) => {
    if (link.ariaBusy) return;
    link.ariaBusy = "true";
    const [answer, html] = await keyward.load(gap.dataset.gap);
    link.ariaBusy = null;
    if (!gap.isConnected) return; // another list has come
    if (!answer) return keyward.announceUnreachable();
    if (!answer.ok || answer.redirected || answer.headers.has("HX-Redirect")) return location.assign(link.href);
    const rows = document.createElement("template");
    rows.innerHTML = html;
    const count = rows.content.querySelectorAll("[data-position]").length;
    const first = rows.content.querySelector("a");
    loaded += count;
    const body = gap.closest("tbody");
    gap.replaceWith(rows.content);
    keyward.tick(body);
    keyward.group(body);
    first?.focus();
    keyward.announce(`${count} calls loaded`);
  };
  keyward.on("click", "[data-load-gap]", (event, link) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    loadGap(link.closest("[data-gap]"), link);
  });
  button.addEventListener("click", () => set(!on()));
})();
