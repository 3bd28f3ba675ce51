// A token never goes into an address: one that is typed or pasted into a search is held back and offered to the finder.
"use strict";
(() => {
  const template = document.getElementById("token-offer");
  if (!template) return;
  // As core.redaction.contains_secret: half a secret of whatever prefix, or the start of one with our prefix.
  const PART = /[A-Za-z0-9]{1,20}_[A-Za-z0-9]{12}_[A-Za-z0-9]{16}/;
  const OURS = new RegExp(`(^|[^A-Za-z0-9])${template.dataset.prefix}_[A-Za-z0-9]{12}_[A-Za-z0-9]`);
  const BASIC = /\bbasic\s+([A-Za-z0-9+/]{16,})/i;
  const NAMED = /(^|&)(api[_-]?key|access[_-]?token|auth[_-]?token|token|secret|password|passwd|signature|leadidkey)=[^&]+/i;
  const attempt = (act, text) => { try { return act(text); } catch { return ""; } };
  const holds = (text) => {
    const plain = attempt(decodeURIComponent, text);
    const pair = attempt(atob, BASIC.exec(text)?.[1] ?? "");
    return [text, plain, pair].some((each) => PART.test(each) || OURS.test(each) || NAMED.test(each));
  };
  window.keyward.holdsToken = holds;

  const searches = (form) => form?.getAttribute("method") === "get"; // a filter may be called "method"
  const holding = (form) => [...form.elements].find((field) => field.value && field.type !== "submit" && holds(field.value));
  let offered = null;
  const offer = (form, field) => {
    const text = field.value;
    field.value = "";
    offered?.remove();
    offered = template.content.cloneNode(true).firstElementChild;
    form.after(offered);
    const area = offered.querySelector("textarea");
    if (!area) return field.focus();
    area.value = text;
    area.focus();
  };
  const hold = (event, form) => {
    const field = searches(form) && holding(form);
    if (!field) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    offer(form, field);
  };
  document.addEventListener("input", (event) => hold(event, event.target.form), true);
  document.addEventListener("submit", (event) => hold(event, event.target), true);
  document.addEventListener("htmx:configRequest", (event) => event.detail.verb === "get" && hold(event, event.detail.elt.closest("form")), true);
  // What the browser keeps of a page that was left holds no token either.
  addEventListener("pagehide", () => offered?.remove());
})();
