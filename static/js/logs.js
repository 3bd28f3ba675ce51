// The log's live tail, and times typed in the reader's own zone.
"use strict";
(() => {
  const $ = (selector) => document.querySelector(selector);
  const EVERY = 2_000;
  const MOST = 200; // rows that stay on the page

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
  const label = button.querySelector("span");
  const on = () => button.getAttribute("aria-pressed") === "true";
  const aimedAt = () => matchMedia("(hover: hover)").matches && $("[data-tail] tbody:hover") !== null;
  const set = (live) => {
    button.setAttribute("aria-pressed", live);
    label.textContent = live ? "Live, on" : "Live";
    clearTimeout(timer);
    if (live) timer = setTimeout(look, 0);
  };
  const look = async () => {
    const list = $("[data-tail]");
    if (!list) return set(false); // an older page
    // Rows do not move away from under a pointer that is on its way to one of them.
    if (on()) label.textContent = aimedAt() ? "Live, paused" : "Live, on";
    if (document.visibilityState === "visible" && !$("dialog[open]") && !aimedAt()) await fetchRows(list);
    if (on()) timer = setTimeout(look, EVERY);
  };
  const fetchRows = async (list) => {
    const address = new URL(list.dataset.tail, location.href);
    address.searchParams.set("newest", list.dataset.newest);
    const answer = await fetch(address, { headers: { "HX-Request": "true", "X-Background": "1" } }).catch(() => null);
    if (!answer || answer.status === 204) return;
    if (!answer.ok || answer.redirected || answer.headers.has("HX-Redirect")) return set(false);
    const rows = document.createElement("template");
    rows.innerHTML = await answer.text();
    if (aimedAt()) return; // asked for again when the pointer has gone
    const body = list.querySelector("tbody");
    if (!body) return location.reload(); // the first row ever: the page says it as a whole
    const first = rows.content.firstElementChild;
    list.dataset.newest = first.dataset.position;
    for (const row of rows.content.children) row.classList.add("fresh");
    body.prepend(rows.content);
    while (body.children.length > MOST) body.lastElementChild.remove();
  };
  button.addEventListener("click", () => set(!on()));
})();
