// What a page gains with JavaScript. Everything here has its plain link, form or text underneath.
"use strict";
(() => {
  const root = document.documentElement;
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const on = (type, selector, act, options) =>
    document.addEventListener(type, (event) => {
      const found = event.target.closest?.(selector);
      if (found) act(event, found);
    }, options);
  let alerted = 0;
  const announce = (text, id = "live") => {
    const region = document.getElementById(id);
    region.textContent = "";
    // What lies outside an open dialog is inert and would not be read aloud.
    (all("dialog[open]").at(-1) ?? document.body).append(region);
    setTimeout(() => { region.textContent = text; }, 50);
    if (id !== "alert") return;
    clearTimeout(alerted);
    alerted = setTimeout(() => { region.textContent = ""; }, 10_000);
  };
  const announceRefusal = (status) => announce(`Keyward answered ${status}. Reload the page and try again.`, "alert");
  const announceUnreachable = () => announce("Could not reach Keyward. Try again.", "alert");
  // Returns the answer and its text; nothing if either did not come.
  const load = (address, headers = {}) =>
    fetch(address, { headers: { "HX-Request": "true", ...headers } }).then(async (answer) => [answer, await answer.text()]).catch(() => []);
  const preference = (name, value) => {
    try {
      if (value !== undefined) localStorage.setItem(name, value);
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  };

  // Theme and clock.
  const press = () => {
    for (const group of all("[data-switch]")) {
      const value = root.dataset[group.dataset.switch] || group.firstElementChild.value;
      for (const button of group.children) button.setAttribute("aria-pressed", button.value === value);
    }
  };
  on("click", "[data-switch] button", (event, button) => {
    root.dataset[button.parentElement.dataset.switch] = button.value;
    preference(button.parentElement.dataset.switch, button.value);
    press();
    document.dispatchEvent(new Event("keyward:clock"));
  });

  // Panel and modal. The panel's address is the page's while it is open, so that it can be shared.
  const panel = $("#panel");
  const modal = $("#modal");
  let home = null, closedByBack = false, panelAddress = ""; // where a closed panel leads back to, and whether Back closes it
  let goesBack = false; // the browser has been told to, and has not yet
  const fill = (dialog, html) => {
    const body = $(".dialog-body", dialog);
    body.innerHTML = html;
    htmx.process(body);
    enhance(body);
  };
  // On pages without forms of their own, what dialogs need is loaded before the first one.
  let lateScripts = null;
  const loadLateScripts = () => {
    const content = $("template[data-late-scripts]")?.content ?? document.createElement("i");
    lateScripts ??= Promise.all(all("script", content).map(({ src }) => new Promise((loaded) => {
      document.head.append(Object.assign(document.createElement("script"), { src, onload: loaded, onerror: loaded }));
    })));
    return lateScripts;
  };
  const open = (dialog, opener) => {
    // A menu closes as the dialog opens: the focus goes back to its button.
    const menu = opener?.closest("[popover]");
    if (menu) $(`[popovertarget=${menu.id}]`).focus();
    if (!dialog.open) dialog.showModal();
    ($("[autofocus], form :is(input, select, textarea):not([type=hidden])", dialog) ?? $("h2", dialog)).focus();
  };
  let shows = 0;
  const show = async (dialog, address, title, opener) => {
    const turn = ++shows;
    const from = opener?.closest("dialog") ?? dialog;
    const wasOpen = from.open;
    const template = opener?.nextElementSibling;
    if (template?.matches("template")) return showAtOnce(dialog, title, opener, template);
    opener?.setAttribute("aria-busy", "true");
    const [[answer, html]] = await Promise.all([load(address), loadLateScripts()]);
    opener?.removeAttribute("aria-busy");
    // Another dialog was asked for meanwhile, or the one from which this was is closed.
    if (turn !== shows || (wasOpen && !from.open)) return false;
    if (!answer?.ok || answer.redirected || answer.headers.has("HX-Redirect")) return location.assign(address);
    $("h2", dialog).textContent = title;
    fill(dialog, html);
    open(dialog, opener);
    return true;
  };
  // What is in the page already: its field takes what is typed while the scripts load.
  const showAtOnce = async (dialog, title, opener, template) => {
    const body = $(".dialog-body", dialog);
    $("h2", dialog).textContent = title;
    body.replaceChildren(template.content.cloneNode(true));
    open(dialog, opener);
    const field = document.activeElement;
    await loadLateScripts();
    if (!field.isConnected) return; // closed meanwhile
    htmx.process(body);
    enhance(body);
    // htmx, if it comes late, takes what it finds in a field for unchanged.
    if (field.value) htmx.trigger(field, "typed");
  };
  on("click", "a[data-panel], a[data-modal]", async (event, link) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const inPanel = "panel" in link.dataset;
    const title = link.dataset.panel || link.dataset.modal || link.textContent.trim();
    if (!(await show(inPanel ? panel : modal, link.href, title, link)) || !inPanel) return;
    home ??= location.href;
    panelAddress = link.href;
    history[history.state?.panel ? "replaceState" : "pushState"]({ panel: true }, "", link.href);
  });
  // A form that leads to a dialog: its page opens in the modal.
  on("submit", "form[data-modal-form]", (event, form) => {
    event.preventDefault();
    const query = new URLSearchParams(new FormData(form, event.submitter));
    const action = event.submitter?.getAttribute("formaction") ?? form.action;
    show(modal, `${action}?${query}`, form.dataset.modalForm || event.submitter?.textContent, event.submitter);
  });
  for (const dialog of [panel, modal]) {
    dialog?.addEventListener("close", () => {
      if (dialog.open) return; // the event comes after it was opened again
      const changed = $("[data-reload]", dialog);
      $(".dialog-body", dialog).replaceChildren();
      const inPanel = dialog === panel && history.state?.panel && !closedByBack;
      closedByBack = false;
      const row = $("#list") ? changed?.dataset.reload : "";
      if (changed) renew(Object.assign(new URL(inPanel ? home : location.href), { hash: row }));
      else if (inPanel && !goesBack) {
        goesBack = true;
        history.back();
      }
    });
  }
  // Loads a page in this one's place, scrolled to where this one is.
  const renew = (address) => {
    // What was ticked would be ticked again by the browser, on whichever rows have come to its place.
    for (const box of all("input[type=checkbox]")) box.checked = box.defaultChecked;
    history.replaceState(null, "", address);
    setTimeout(() => location.reload());
  };
  // What was done to a row leads back to its list.
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const to = event.detail.xhr.getResponseHeader("HX-Redirect");
    const address = to?.includes("#") && new URL(to, location.href);
    const here = new URL(home ?? location.href);
    if (!address || address.pathname !== here.pathname) return;
    event.preventDefault();
    // A button beside the list does not know its filters and page.
    address.search ||= here.search;
    renew(address);
  });
  // Results of a POST that have an address of their own: a reload shows them without sending the text again.
  const lasting = $("[data-address]");
  if (lasting) history.replaceState(null, "", lasting.dataset.address);
  // After a reload the panel's address is a plain page.
  if (history.state?.panel) history.replaceState(null, "");
  // A list that is answered while the panel is open, or as it closes, changes the address that the panel leads back to.
  document.addEventListener("htmx:replacedInHistory", () => {
    if (home === null) return;
    home = location.href;
    history.replaceState({ panel: true }, "", panelAddress);
  });
  const atHome = () => {
    history.replaceState(history.state, "", home);
    home = null;
  };
  // Back closes the panel; htmx must not fetch the page that is still there.
  addEventListener("popstate", (event) => {
    if (home === null && !event.state?.panel) return;
    event.stopImmediatePropagation();
    if (event.state?.panel) return location.reload();
    const wasClosed = goesBack;
    goesBack = false;
    if (!panel.open) return atHome();
    if (wasClosed) return history.pushState({ panel: true }, "", panelAddress); // and opened again
    // Until it is decided, the panel's address is the page's again; to close it leads back once more.
    let decided = false;
    window.keyward.askFirst(panel, () => {
      decided = true;
      closedByBack = !history.state?.panel;
      if (closedByBack) atHome();
      panel.close();
    });
    if (!decided) history.pushState({ panel: true }, "", panelAddress);
  }, true);

  const copy = async (button, text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without TLS there is no clipboard object.
      const area = document.createElement("textarea");
      area.value = text;
      (button.closest("dialog") ?? document.body).append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    const label = $("span", button);
    if (label) {
      label.textContent = "Copied";
      setTimeout(() => window.keyward.released(() => { label.textContent = "Copy"; }), 2000);
    }
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 2000);
    announce("Copied");
  };
  on("click", "[data-copy]", (event, button) => copy(button, button.dataset.copy));
  on("click", "[data-print]", () => print());

  // The errors of a form lead to their fields, which may be folded away, or replaced by others.
  on("click", "[data-field-link]", (event, link) => {
    const named = document.getElementById(link.hash.slice(1));
    if (!named) return;
    event.preventDefault();
    for (let part = named.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    const inputs = all("input, select, textarea, button", named.closest(".field") ?? named.parentElement);
    [named, ...inputs].find((input) => input.checkVisibility())?.focus();
  });

  // Answers of htmx.
  document.addEventListener("htmx:load", (event) => {
    const part = event.detail.elt;
    enhance(part);
    if (part !== document.body) receive(part);
    else if (root.early?.matches(".filters")) root.early.requestSubmit();
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    const summary = $("[data-summary]", event.target);
    if (summary) announce(summary.textContent);
  });
  document.addEventListener("htmx:responseError", (event) => announceRefusal(event.detail.xhr.status));
  document.addEventListener("htmx:sendError", announceUnreachable);
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.verb !== "get") return;
    for (const [name, value] of [...event.detail.formData]) if (value === "") event.detail.formData.delete(name);
  });
  on("submit", "form[data-download]", (event, form) => setTimeout(() => form.closest("dialog")?.close(), 200));

  const enhance = (part) => {
    enhancers.forEach((act) => act(part));
    const dialog = part.closest?.("dialog");
    const title = dialog ? $("[data-title]", dialog) : part.closest?.("[data-title]");
    if (title) $(dialog ? "h2" : "h1", dialog ?? document).textContent = title.dataset.title;
    $("[data-focus]", part)?.focus();
  };

  // What came in place of a form is said, and has the focus that the form had.
  const receive = (part) => {
    const result = part.matches("[data-title]") ? part : $("[data-title]", part);
    if (!result) return;
    if (!part.contains(document.activeElement)) {
      const heading = $("h2", part.closest("dialog") ?? document.createElement("i")) ?? $("h1");
      heading.tabIndex = -1;
      heading.focus();
    }
    announce([result.dataset.title, result.dataset.say].filter(Boolean).join(". "));
  };

  // Other files use the same, and do their own with each part of a page.
  const enhancers = [];
  const addEnhancer = (act) => { enhancers.push(act); act(document); };
  const make = (name, act) => addEnhancer((part) => {
    all(`[data-${name}]:not(.ready)`, part).forEach((field) => { field.classList.add("ready"); act(field); });
  });
  window.keyward = { show, fill, load, loadLateScripts, copy, preference, $, all, on, announce, announceRefusal, announceUnreachable, addEnhancer, make };

  press();
  // On a narrow screen the tabs scroll: the current one is in sight, also after the width has changed.
  const tabWidths = new ResizeObserver((changes) => changes.forEach(({ target }) => {
    target.scrollLeft = $("[aria-current]", target)?.offsetLeft ?? 0;
  }));
  addEnhancer((part) => all(".tabs", part).forEach((tabs) => tabWidths.observe(tabs)));
  enhance(document);
  // What a page says when it has loaded is read aloud if it comes after that.
  setTimeout(() => all(".messages [role=status]").forEach((each) => each.replaceChildren(...each.childNodes)), 200);
})();
