// The search over everything: arrow keys go through what it finds.
"use strict";
(() => {
  const { all, on } = window.keyward;
  on("keydown", "[data-arrows]", (event, found) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const stops = all("input[name=text], a[href]", found);
    const next = step && stops[stops.indexOf(event.target) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
  // A line break of a pasted text would join what it parts.
  on("paste", "[data-arrows] input", (event, box) => {
    const text = event.clipboardData.getData("text");
    if (!text.includes("\n")) return;
    event.preventDefault();
    box.setRangeText(text.replaceAll(/\s*\n\s*/g, " "), box.selectionStart, box.selectionEnd, "end");
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });
})();
