// Runs before the first paint, so that the chosen theme does not flash and script-only controls keep their place.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  // A filter that is set before htmx has loaded; js/app.js applies it.
  addEventListener("input", ({ target }) => { root.early = target.form; }, { once: true });
  try {
    for (const name of ["theme", "clock"]) root.dataset[name] = localStorage.getItem(name) ?? "";
  } catch {
    // Storage may be refused; the system's theme and UTC hold then.
  }
})();
