// Selecting rows of a list: all on the page, a range with Shift, or all that match; the actions' bar says how many.
"use strict";
(() => {
  const { $, all, on } = window.keyward;
  let last = null; // the row that was selected last

  const getRows = (list) => all("tbody .tick input", list);
  const show = (list) => {
    const rows = getRows(list);
    const every = $("[data-select-matching]", list)?.checked ?? false;
    const count = rows.filter((row) => row.checked).length;
    const head = $("[data-select-all]", list);
    if (head) {
      head.checked = count > 0 && count === rows.length;
      head.indeterminate = count > 0 && count < rows.length;
    }
    for (const label of all("[data-selected]", list)) {
      const selected = every ? $("[data-select-matching]", list).dataset.selectMatching || "all" : count;
      label.textContent = selected ? `With ${selected} selected:` : "With selected:";
    }
  };
  on("click", ".table tbody .tick input", (event, box) => {
    const rows = getRows(box.closest(".list"));
    const [from, to] = [rows.indexOf(last), rows.indexOf(box)].sort((a, b) => a - b);
    if (event.shiftKey && from >= 0) for (const row of rows.slice(from, to + 1)) row.checked = box.checked;
    last = box;
  });
  on("change", ".list input[type=checkbox]", (event, box) => {
    const list = box.closest(".list");
    const every = $("[data-select-matching]", list);
    if (box.matches("[data-select-all], [data-select-matching]")) {
      for (const row of getRows(list)) row.checked = box.checked;
    }
    // All that match are selected until a row is not.
    if (every && !box.checked) every.checked = false;
    show(list);
  });
  // What was selected before this file had come.
  all(".list").forEach(show);
})();
