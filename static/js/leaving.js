// What would be lost is asked about once: a secret that is shown once and was not copied, and a form that was begun.
// Closing dialogs is here; a page that is left without this file's knowledge is the browser's own question.
"use strict";
(() => {
  const { $, all, on, announce, announceUnreachable, addEnhancer } = window.keyward;
  // A search and a download leave nothing behind that was not saved.
  const FORM = "form:is([method=post], .form-card):not([role=search], [data-download])";
  const leaveDialog = $("#leave"); // not on pages without a menu, such as sign-in
  const returned = new WeakSet(); // forms that came back from the server with what was typed
  let leaving = false; // whatever is lost now is meant to be

  const isChanged = (control) => {
    if (!control.name || control.matches("button, [type=hidden], [type=password], [type=submit]")) return false;
    if (control.matches("[type=checkbox], [type=radio]")) return control.checked !== control.defaultChecked;
    if (control.matches("[type=file]")) return control.files.length > 0;
    if (!control.matches("select")) return control.value !== control.defaultValue;
    const options = [...control.options];
    if (control.multiple) return options.some((option) => option.selected !== option.defaultSelected);
    return control.selectedIndex !== Math.max(options.findIndex((option) => option.defaultSelected), 0);
  };
  const isBegun = (form) => returned.has(form) || [...form.elements].some(isChanged);
  const losesForm = (part) => all(FORM, part).some(isBegun);
  const losesSecret = (part) => $("[data-shown-once]:not(.kept)", part) !== null;
  const loss = (part) => (losesSecret(part) && "secret") || (losesForm(part) && "form") || "";

  // Reloading, closing the window, Back from a page: the browser asks.
  const guard = (event) => { if (leaveDialog && !leaving && loss(document)) event.preventDefault(); };
  const arm = () => addEventListener("beforeunload", guard);
  on("input", FORM, arm);

  // One question, and what is done if the answer is yes.
  let proceed = null;
  const askToLeave = (what, act) => {
    if (!leaveDialog) return act();
    if (leaveDialog.open) return;
    proceed = act;
    for (const question of all("[data-loss]", leaveDialog)) question.hidden = question.dataset.loss !== what;
    leaveDialog.setAttribute("aria-labelledby", `leave-${what}`);
    leaveDialog.showModal();
    $(`[data-loss=${what}] [data-stay]`, leaveDialog).focus();
  };
  on("click", "#leave [data-stay]", () => leaveDialog.close());
  on("click", "#leave [data-go]", () => {
    leaveDialog.close();
    proceed();
  });

  const askFirst = (what, act) => (what ? askToLeave(what, act) : act());
  const close = (dialog) => askFirst(loss(dialog), () => dialog.close());
  window.keyward.askFirst = (part, act) => askFirst(loss(part), act);

  // The ways out of a dialog: its cross and its buttons, Escape, the ground behind it.
  on("click", "[data-close]", (event, button) => {
    const dialog = button.closest("dialog");
    // Cancel says itself that a form is given up.
    const what = losesSecret(dialog ?? document) ? "secret" : "";
    if (dialog) {
      event.preventDefault();
      if (button.closest(".dialog-head")) close(dialog);
      else askFirst(what, () => dialog.close());
    } else if (!what) leaving = true; // on a page of its own it is a plain link
  });
  let pressedOn = null;
  addEventListener("pointerdown", (event) => { pressedOn = event.target; }, true);
  on("click", "dialog", (event, dialog) => {
    if (event.target === dialog && pressedOn === dialog) close(dialog);
  });
  document.addEventListener("keydown", (event) => {
    const dialog = all("dialog[open]").at(-1);
    if (event.key !== "Escape" || !dialog || !loss(dialog)) return;
    event.preventDefault();
    close(dialog);
  });
  for (const dialog of all("dialog")) {
    dialog.addEventListener("cancel", (event) => {
      if (event.target !== dialog || !loss(dialog)) return;
      event.preventDefault();
      close(dialog);
    });
  }

  // Links that lead away.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]:not([data-close], [data-kept], [data-panel], [data-modal], [target], [download])");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const what = link.getAttribute("href").startsWith("#") ? "" : loss(document);
    if (!what) return;
    event.preventDefault();
    askToLeave(what, () => {
      leaving = true;
      location.assign(link.href);
    });
  }, true);

  // What is no loss: a copied secret, and what was sent or saved.
  const markKept = (part) => part?.closest("[data-shown-once]")?.classList.add("kept");
  on("click", "[data-secret-copy], [data-copy-once], [data-kept]", (event, button) => markKept(button));
  document.addEventListener("copy", () => {
    const node = getSelection().anchorNode;
    markKept((node?.nodeType === Node.TEXT_NODE ? node.parentElement : node)?.closest?.(".secret, .codes, .link-text"));
  });
  // A form is sent once, however often its button is pressed before the answer.
  const sentForms = new WeakSet();
  document.addEventListener("submit", (event) => {
    if (!sentForms.has(event.target)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  // A form that the browser sends itself would leave the page: whether its user is still signed in is asked first.
  const checked = new WeakSet();
  document.addEventListener("submit", async (event) => {
    const { target: form, submitter } = event;
    if (checked.delete(form) || event.defaultPrevented || !signedOut || !form.matches(FORM) || !isBegun(form)) return;
    event.preventDefault();
    sentForms.add(form);
    const isSignedIn = await renewTokens();
    sentForms.delete(form);
    if (!isSignedIn) return;
    checked.add(form);
    form.requestSubmit(submitter);
  });
  document.addEventListener("submit", ({ target, defaultPrevented }) => {
    if (defaultPrevented || target.method !== "post" || "download" in target.dataset) return;
    sentForms.add(target);
    setTimeout(() => sentForms.delete(target), 5000); // the page was not left: the browser was stopped
  });
  document.addEventListener("htmx:beforeRequest", (event) => sentForms.add(event.target));
  document.addEventListener("htmx:afterRequest", (event) => {
    // Until the page that a redirect leads to has come.
    if (!event.detail.xhr.getResponseHeader("HX-Redirect") || signedOut?.open) sentForms.delete(event.target);
  });

  // The session ended meanwhile: what was typed stays until the same user has signed in again in another tab.
  const signedOut = $("#signed-out");
  const leadsToSignIn = (address) => new URL(address, location.href).pathname === $("a", signedOut).pathname;
  const showSignedOut = () => {
    // Whoever comes to this browser now finds no password and no token in it.
    const isSecret = (field) => field.matches("[type=password], .password input") || window.keyward.holdsToken?.(field.value);
    for (const field of all(`${FORM} :is(input:not([type=hidden], [type=file]), textarea)`)) if (isSecret(field)) field.value = "";
    signedOut.showModal();
  };
  // Gives every form the token of the present session; false, with what is to be done, if its user is not the page's.
  const renewTokens = async () => {
    const answer = await fetch(signedOut.dataset.page).catch(() => null);
    if (!answer) return announceUnreachable();
    if (leadsToSignIn(answer.url)) return signedOut.open ? announce("You are not signed in yet.", "alert") : showSignedOut();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.body.dataset.user !== document.body.dataset.user) {
      return announce("Another user has signed in. Sign in as before to continue.", "alert");
    }
    for (const field of all("[name=csrfmiddlewaretoken]")) field.value = $("[name=csrfmiddlewaretoken]", page).value;
    return true;
  };
  const renewForms = async () => {
    if (!(await renewTokens())) return;
    signedOut.close();
    announce("You are signed in again. Nothing was saved yet: submit the form again.", "alert");
  };
  window.keyward.renewForms = renewForms;
  on("click", "#signed-out [data-continue]", renewForms);
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.matches("[hx-post], [hx-get]")) return;
    leaving = true;
    setTimeout(() => { leaving = false; }, 1000);
  });
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const to = event.detail.xhr.getResponseHeader("HX-Redirect");
    if (event.detail.xhr.getResponseHeader("X-Form-Expired")) {
      event.preventDefault();
      renewForms();
    }
    if (!to) return;
    if (signedOut && leadsToSignIn(to) && losesForm(document)) {
      event.preventDefault();
      showSignedOut();
      return;
    }
    if (new URL(to, location.href).href !== cameFrom) {
      leaving = true;
      return;
    }
    // What was done from a page of the panel leads back to it there.
    event.preventDefault();
    $("#modal").close();
    history.replaceState({ panel: true }, "", to);
    window.keyward.show($("#panel"), to, "");
  });
  // A form beside a secret replaces it.
  document.addEventListener("htmx:confirm", (event) => {
    if (event.detail.verb === "get" || !losesSecret(event.detail.target)) return;
    event.preventDefault();
    askToLeave("secret", () => event.detail.issueRequest(true));
  });
  let cameFrom = ""; // the panel's page from which another was opened
  on("click", "a[data-panel], a[data-modal]", (event, link) => {
    cameFrom = link.closest("#panel") ? location.href : "";
  }, true);
  let begunBefore = false;
  document.addEventListener("htmx:beforeSwap", (event) => { begunBefore = losesForm(event.detail.target); });
  // At once, not when htmx has settled: Back may be pressed in between.
  document.addEventListener("htmx:afterSwap", () => {
    if (begunBefore) all(FORM, $("dialog[open]") ?? document).forEach((form) => returned.add(form));
  });
  addEnhancer((part) => {
    for (const form of all(FORM, part)) if (begunBefore || $("[data-unsaved]", form)) returned.add(form);
    begunBefore = false;
    if (loss(part)) arm();
  });
})();
