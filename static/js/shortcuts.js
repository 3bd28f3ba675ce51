// Keys. Single-key shortcuts have an off-switch (WCAG 2.1.4) and never act while typing.
"use strict";
(() => {
  const { $, all, loadLateScripts, on, preference } = window.keyward;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "k" && $("#search-open") && !$("#modal").open) {
      event.preventDefault();
      $("#search-open").click();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || preference("shortcuts") === "off") return;
    if (event.target.closest("input, textarea, select, [contenteditable]") || $("dialog[open]")) return;
    if (event.key === "/" && $("[data-search]")) {
      event.preventDefault();
      $("[data-search]").select();
    } else if (event.key === "?") loadLateScripts().then(() => $("dialog[open]") ?? $("#help")?.showModal());
  });
  on("change", "[data-shortcuts]", (event, changed) => {
    preference("shortcuts", changed.checked ? "on" : "off");
    for (const box of all("[data-shortcuts]")) box.checked = changed.checked;
  });
  for (const box of all("[data-shortcuts]")) box.checked = preference("shortcuts") !== "off";
})();
