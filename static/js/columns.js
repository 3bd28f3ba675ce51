// The order of a list's columns: buttons in place of the fields of positions.
"use strict";
(() => {
  const { keyward } = window;
  keyward.on("click", "[data-columns] [data-move]", (event, button) => {
    const row = button.closest("li");
    const other = button.dataset.move < 0 ? row.previousElementSibling : row.nextElementSibling;
    if (!other) return;
    other[button.dataset.move < 0 ? "before" : "after"](row);
    const rows = [...row.parentElement.children];
    rows.forEach((each, place) => { keyward.$("[data-position]", each).value = place + 1; });
    button.focus();
    keyward.say(`Column ${rows.indexOf(row) + 1} of ${rows.length}`);
  });
})();
