// Secrets. A revealed one is dropped when hidden; one that is shown once is only masked until the page is left.
"use strict";
(() => {
  const { $, all, on, announce, show, fill, copy, announceRefusal, announceUnreachable, addEnhancer } = window.keyward;
  const modal = $("#modal");
  const secrets = new WeakMap();
  const paint = (box, shown) => {
    const value = $("[data-secret-value]", box);
    const eye = $("[data-secret-eye]", box);
    value.textContent = shown ? secrets.get(box) : value.dataset.masked || "•".repeat(24);
    eye.setAttribute("aria-pressed", shown);
    eye.setAttribute("aria-label", shown ? "Hide token" : "Show token");
    eye.title = eye.getAttribute("aria-label");
    $("[data-secret-copy]", box).hidden = !secrets.has(box);
    clearTimeout(box.timer);
    if (shown) box.timer = setTimeout(() => window.keyward.released(() => hide(box)), 30_000);
  };
  const hide = (box) => {
    if (!("once" in box.dataset)) secrets.delete(box);
    paint(box, false);
  };
  const forget = (box) => {
    secrets.delete(box);
    paint(box, false);
  };
  const reveal = (box, secret) => {
    secrets.set(box, secret);
    paint(box, true);
  };
  let boxToReveal = null; // the box whose reveal form is in the modal
  on("click", "[data-once] [data-secret-eye]", (event, eye) => {
    const box = eye.closest("[data-secret]");
    paint(box, eye.getAttribute("aria-pressed") === "false" && secrets.has(box));
  });
  on("click", "[data-secret-copy]", (event, button) => {
    copy(button, (button.dataset.prefix ?? "") + secrets.get(button.closest("[data-secret]")) + (button.dataset.suffix ?? ""));
  });
  on("submit", "form[data-reveal]", (event, form) => {
    event.preventDefault();
    boxToReveal = form.closest("[data-secret]");
    if (secrets.has(boxToReveal)) hide(boxToReveal);
    else show(modal, form.action, "Show token");
  });
  on("submit", "#modal form[data-reveal-form]", async (event, form) => {
    event.preventDefault();
    if (form.ariaBusy) return;
    form.ariaBusy = "true";
    const headers = { Accept: "application/json", "HX-Request": "true" };
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers }).catch(() => null);
    form.ariaBusy = null;
    if (!form.isConnected) return; // closed meanwhile
    if (!answer) return announceUnreachable();
    if (answer.headers.has("HX-Redirect")) return location.assign(answer.headers.get("HX-Redirect"));
    if (answer.headers.get("Content-Type")?.startsWith("application/json")) {
      reveal(boxToReveal, (await answer.json()).token);
      modal.close();
      announce("Token shown for 30 seconds");
    } else if (answer.status < 403 || answer.status === 422) fill(modal, await answer.text());
    else announceRefusal(answer.status);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) all("[data-secret]").forEach(hide);
  });
  addEventListener("pagehide", () => all("[data-secret]").forEach(forget));
  // The event comes after a dialog may have been opened again.
  document.addEventListener("close", ({ target }) => { if (!target.open) all("[data-secret]", target).forEach(forget); }, true);
  addEnhancer((part) => {
    for (const box of all("[data-secret][data-once]", part)) if (!secrets.has(box)) reveal(box, $("[data-secret-value]", box).textContent);
  });
})();
