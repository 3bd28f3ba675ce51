// What forms gain with JavaScript: passkeys, and choices of several that are picked one after the other.
"use strict";
(() => {
  const { $, all, on, announce, announceRefusal, announceUnreachable, make } = window.keyward;

  // Passkeys: the browser signs what the server made up, and the answer goes into the form.
  const ceremony = async (kind, options) => {
    try {
      const parse = kind === "create" ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
      const publicKey = PublicKeyCredential[parse](options.publicKey);
      return JSON.stringify((await navigator.credentials[kind]({ publicKey })).toJSON());
    } catch (problem) {
      const cancelled = problem.name === "NotAllowedError" || problem.name === "AbortError";
      const known = problem.name === "InvalidStateError" && "This passkey has already been added.";
      announce(known || (cancelled ? "Passkey cancelled." : "This browser cannot use a passkey on this site."), "alert");
    }
  };
  // The browser takes one at a time, and the server the answer to the last that it made up.
  let busy = false;
  const alone = async (act) => {
    if (busy) return;
    busy = true;
    await act().finally(() => { busy = false; });
  };
  const confirm = async (button) => {
    const form = button.form;
    let options = button.dataset.options && JSON.parse(button.dataset.options);
    if (!options) {
      const body = { csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value, action: button.dataset.action, target: button.dataset.target };
      const answer = await fetch(button.dataset.passkey, { method: "POST", body: new URLSearchParams(body) }).catch(() => null);
      if (!answer) return announceUnreachable();
      if (answer.redirected || answer.headers.has("X-Form-Expired")) return window.keyward.renewForms();
      if (!answer.ok) return announceRefusal(answer.status);
      options = await answer.json();
    }
    const assertion = await ceremony("get", options);
    if (!assertion) return;
    form.elements.passkey.value = assertion;
    if (form.elements.password) form.elements.password.required = false;
    form.requestSubmit();
  };
  on("click", "[data-passkey]", (event, button) => alone(() => confirm(button)));
  on("submit", "form[data-passkey-create]", (event, form) => {
    if (form.elements.credential.value) return;
    event.preventDefault();
    alone(async () => {
      const credential = await ceremony("create", JSON.parse(form.dataset.passkeyCreate));
      if (!credential) return;
      form.elements.credential.value = credential;
      form.requestSubmit();
    });
  });

  // A password can be shown while it is typed, and is hidden again before it is sent or the page is left.
  const showTyped = (button, shown) => {
    $("input", button.parentElement).type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", shown);
  };
  const hideTyped = (within) => all("[data-show-typed]", within).forEach((button) => showTyped(button, false));
  on("click", "[data-show-typed]", (event, button) => showTyped(button, button.getAttribute("aria-pressed") === "false"));
  on("submit", "form", (event, form) => hideTyped(form), true);
  addEventListener("pagehide", () => hideTyped(document));

  // A file that is too large is refused before it is sent.
  make("max-bytes", (field) => field.addEventListener("change", () => {
    const limit = Number(field.dataset.maxBytes);
    const size = field.files[0]?.size ?? 0;
    field.setCustomValidity(size > limit ? `The file has ${size.toLocaleString("en")} bytes; at most ${limit.toLocaleString("en")} can be sent.` : "");
    field.reportValidity();
  }));

  // What is wrong in a part that is folded away is shown: else the form is not sent, and nobody is told why.
  document.addEventListener("invalid", (event) => {
    for (let part = event.target.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
  }, true);

  // A choice, and what it asks for besides: some modules, or a day.
  make("part", (part) => {
    const some = $("[name=every_module][value=some]", part);
    const boxes = all("[name=modules]", part);
    const [choice, day] = [$("[name=expiry]", part), $("[name=expires_on]", part)];
    const check = (event) => {
      if (boxes.includes(event?.target) && event.target.checked) some.checked = true;
      const lacking = some?.checked && !boxes.some((box) => box.checked);
      boxes[0]?.setCustomValidity(lacking ? "Select at least one, or choose All." : "");
      if (day) day.required = choice.value === "date";
    };
    if (some) some.required = true;
    part.addEventListener("change", check);
    check();
  });

  // Several of a list: picked one at a time; the list itself stays what is sent.
  make("picker", (field) => {
    const chosen = $("select[multiple]", field);
    const choice = $("[data-picker-choice]", field);
    const list = $("[data-picker-list]", field);
    const pick = (option, on) => {
      option.selected = on;
      draw();
      chosen.dispatchEvent(new Event("change", { bubbles: true }));
      announce(`${option.text} ${on ? "added" : "removed"}`);
      choice.focus();
    };
    const draw = () => {
      const unselected = [...chosen.options].filter((option) => !option.selected);
      choice.replaceChildren(new Option(unselected.length ? "Choose one" : "All are added", ""), ...unselected.map((option) => new Option(option.text, option.value)));
      list.replaceChildren(...[...chosen.selectedOptions].map((option) => {
        const item = $("template", field).content.cloneNode(true).firstElementChild;
        $("span", item).textContent = option.text;
        $("button", item).setAttribute("aria-label", `Remove ${option.text}`);
        $("button", item).addEventListener("click", () => pick(option, false));
        return item;
      }));
    };
    $("label", field).htmlFor = choice.id;
    const add = () => {
      const option = choice.value && [...chosen.options].find((one) => one.value === choice.value);
      if (option) pick(option, true);
    };
    $("[data-picker-add]", field).addEventListener("click", add);
    choice.addEventListener("keydown", (event) => {
      if (event.key === "Enter") { event.preventDefault(); add(); }
    });
    // Someone who chose one and sent the form without Add meant it.
    field.closest("form").addEventListener("submit", () => {
      const option = [...chosen.options].find((one) => choice.value && one.value === choice.value);
      if (option) option.selected = true;
    }, true);
    draw();
  });
})();
