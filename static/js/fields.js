// What forms gain with JavaScript: passkeys, and lists that are made of one entry after the other.
"use strict";
(() => {
  const { $, all, on, say, refused, unreachable, begin } = window.keyward;

  // Passkeys: the browser signs what the server made up, and the answer goes into the form.
  const ceremony = async (kind, options) => {
    try {
      const parse = kind === "create" ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
      const publicKey = PublicKeyCredential[parse](options.publicKey);
      return JSON.stringify((await navigator.credentials[kind]({ publicKey })).toJSON());
    } catch (problem) {
      const cancelled = problem.name === "NotAllowedError" || problem.name === "AbortError";
      const known = problem.name === "InvalidStateError" && "This passkey is there already.";
      say(known || (cancelled ? "No passkey was used." : "This browser cannot use a passkey at this address."), "alert");
    }
  };
  on("click", "[data-passkey]", async (event, button) => {
    const form = button.form;
    let options = button.dataset.options && JSON.parse(button.dataset.options);
    if (!options) {
      const asked = { csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value, action: button.dataset.action, target: button.dataset.target };
      const answer = await fetch(button.dataset.passkey, { method: "POST", body: new URLSearchParams(asked) }).catch(() => null);
      if (!answer) return unreachable();
      if (answer.redirected) return location.reload();
      if (!answer.ok) return refused(answer.status);
      options = await answer.json();
    }
    const signed = await ceremony("get", options);
    if (!signed) return;
    form.elements.passkey.value = signed;
    if (form.elements.password) form.elements.password.required = false;
    form.requestSubmit();
  });
  on("submit", "form[data-passkey-create]", async (event, form) => {
    if (form.elements.credential.value) return;
    event.preventDefault();
    const made = await ceremony("create", JSON.parse(form.dataset.passkeyCreate));
    if (!made) return;
    form.elements.credential.value = made;
    form.requestSubmit();
  });

  // Address entries: typed one at a time; the text area stays what is sent.
  const entries = (field) => {
    const area = $("textarea", field);
    const input = $("[data-entry-input]", field);
    const list = $("[data-entry-list]", field);
    const values = area.value.split(/\s+/).filter(Boolean);
    $("label", field).htmlFor = input.id;
    const draw = () => {
      area.value = values.join("\n");
      list.replaceChildren(...values.map((value, index) => {
        const item = $("template", field).content.cloneNode(true).firstElementChild;
        $("code", item).textContent = value;
        $("button", item).setAttribute("aria-label", `Remove ${value}`);
        $("button", item).addEventListener("click", () => {
          values.splice(index, 1);
          draw();
          say(`${value} removed`);
          input.focus();
        });
        return item;
      }));
    };
    const add = () => {
      const fresh = input.value.split(/[\s,;]+/).filter((value) => value && !values.includes(value));
      const wrong = fresh.find((value) => !/^[0-9a-f:.]+(\/\d{1,3})?$/i.test(value));
      input.setCustomValidity(wrong ? `“${wrong}” is not an address. Type one such as 203.0.113.7 or 203.0.113.0/24.` : "");
      if (wrong) return input.reportValidity();
      values.push(...fresh);
      input.value = "";
      draw();
      if (fresh.length) say(`${fresh.join(", ")} added`);
      return true;
    };
    $("[data-entry-add]", field).addEventListener("click", () => { add(); input.focus(); });
    input.addEventListener("input", () => input.setCustomValidity(""));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && input.value.trim()) { event.preventDefault(); add(); }
    });
    // Someone who typed an address and went on without Add meant it.
    input.addEventListener("change", add);
    draw();
  };

  // Several of a list: picked one at a time; the list itself stays what is sent.
  const picker = (field) => {
    const chosen = $("select[multiple]", field);
    const choice = $("[data-picker-choice]", field);
    const list = $("[data-picker-list]", field);
    const pick = (option, on) => {
      option.selected = on;
      draw();
      say(`${option.text} ${on ? "added" : "removed"}`);
      choice.focus();
    };
    const draw = () => {
      const left = [...chosen.options].filter((option) => !option.selected);
      choice.replaceChildren(new Option(left.length ? "Choose one" : "All are added", ""), ...left.map((option) => new Option(option.text, option.value)));
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
    field.closest("form").addEventListener("submit", add, true);
    draw();
  };

  const makers = { entries, picker };
  begin((part) => {
    for (const [name, make] of Object.entries(makers)) {
      all(`[data-${name}]:not(.ready)`, part).forEach((field) => { field.classList.add("ready"); make(field); });
    }
  });
})();
