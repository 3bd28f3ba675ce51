// The order of a list's columns: buttons, and handles to drag, in place of the fields of positions.
"use strict";
(() => {
  const { keyward } = window;
  const renumber = (row) => {
    const rows = [...row.parentElement.children];
    rows.forEach((each, index) => { keyward.$("[data-position]", each).value = index + 1; });
    keyward.announce(`Column ${rows.indexOf(row) + 1} of ${rows.length}`);
  };
  keyward.on("click", "[data-columns] [data-move]", (event, button) => {
    const row = button.closest("li");
    const other = button.dataset.move < 0 ? row.previousElementSibling : row.nextElementSibling;
    if (!other) return;
    other[button.dataset.move < 0 ? "before" : "after"](row);
    renumber(row);
    button.focus();
  });
  keyward.on("pointerdown", "[data-columns] [data-drag]", (event, handle) => {
    if (event.button !== 0) return;
    event.preventDefault(); // selects no text
    const row = handle.closest("li");
    const ended = new AbortController();
    row.classList.add("dragged");
    handle.setPointerCapture(event.pointerId);
    // The others make way: a row that is taken out of the page loses the pointer.
    handle.addEventListener("pointermove", ({ clientY }) => {
      while (row.previousElementSibling && clientY < row.getBoundingClientRect().top) row.after(row.previousElementSibling);
      while (row.nextElementSibling && clientY > row.getBoundingClientRect().bottom) row.before(row.nextElementSibling);
      row.scrollIntoView({ block: "nearest" });
    }, { signal: ended.signal });
    handle.addEventListener("lostpointercapture", () => {
      ended.abort();
      row.classList.remove("dragged");
      renumber(row);
    }, { once: true });
  });
})();
