// While the pointer's main button is down nothing on the page moves: a click that began on one thing would end on another,
// and be lost.
"use strict";
(() => {
  const { keyward } = window;
  let pressed = false;
  let waiting = [];
  // Under a menu of the other button its release is not heard.
  addEventListener("pointerdown", ({ button }) => { pressed = !button; }, true);
  for (const type of ["pointerup", "pointercancel", "blur"]) {
    addEventListener(type, (event) => {
      if (!pressed || (type === "blur" && event.target !== window)) return;
      pressed = false;
      const acts = waiting;
      waiting = [];
      // After the click that follows.
      setTimeout(() => acts.forEach((act) => act()));
    }, true);
  }
  keyward.released = (act) => (pressed ? waiting.push(act) : act());

  // A field that is left asks for its list when the button goes down.
  document.addEventListener("htmx:confirm", (event) => {
    if (!pressed) return;
    event.preventDefault();
    keyward.released(() => event.detail.issueRequest());
  });
  // An answer that arrives in the middle of a click is asked for anew.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { elt } = event.detail.requestConfig;
    if (!pressed || !elt.matches("form.filters")) return;
    event.detail.shouldSwap = false;
    keyward.released(() => window.htmx.trigger(elt, "submit"));
  });
})();
