// Address entries, typed one at a time; what is sent is the text area. Networks are validated, with the same messages, as
// in keys/decision/addresses.py: a test compares the two.
"use strict";
(() => {
  const { $, announce, make } = window.keyward;
  const EXAMPLES = "203.0.113.7, 203.0.113.0/24 or 2001:db8::/32";

  const parseIpv4 = (text) => {
    const parts = /^\d+(\.\d+){3}$/.test(text) ? text.split(".") : [];
    const read = parts.length && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && part <= 255);
    return read ? { version: 4, size: 8, parts: parts.map(Number) } : null;
  };
  // The browser's own reading of an address in a URL, in its shortest form.
  const shorten = (text) => {
    try {
      return new URL(`http://[${text}]/`).hostname.slice(1, -1);
    } catch {
      return null;
    }
  };
  const parseIpv6 = (text) => {
    const last = text.slice(text.lastIndexOf(":") + 1);
    const read = /^[0-9a-f:.]+$/i.test(text) && text.includes(":") && (!last.includes(".") || parseIpv4(last));
    const short = read ? shorten(text) : null;
    if (!short) return null;
    const [head, tail] = short.split("::").map((half) => (half ? half.split(":") : []));
    const zeros = tail ? Array(8 - head.length - tail.length).fill("0") : [];
    return { version: 6, size: 16, parts: [...head, ...zeros, ...(tail ?? [])].map((part) => parseInt(part, 16)) };
  };
  const format = ({ version, parts }) =>
    version === 4 ? parts.join(".") : shorten(parts.map((part) => part.toString(16)).join(":"));
  const clearHostBits = (address, prefix) => ({
    ...address,
    parts: address.parts.map((part, index) => {
      const host = address.size - Math.min(Math.max(prefix - index * address.size, 0), address.size);
      return (part >> host) << host;
    }),
  });
  const isMapped = ({ version, parts }) => version === 6 && parts.slice(0, 5).every((part) => part === 0) && parts[5] === 0xffff;

  // What is wrong with a network as it was typed; empty if nothing is.
  const networkProblem = (typed) => {
    const text = typed.trim();
    const slash = text.includes("/");
    const host = text.split("/", 1)[0];
    const suffix = text.slice(host.length + 1);
    if (host.includes("%")) return `${text} has a scope ID (after %), which is only valid on one machine. Remove it.`;
    const address = parseIpv4(host) ?? parseIpv6(host);
    const longest = address && address.parts.length * address.size;
    if (!address) {
      const large = /^\d{1,9}(\.\d{1,9}){3}$/.test(host) && host.split(".").map(Number).find((part) => part > 255);
      if (large) return `${text} is not an IP address: ${large} is more than 255. Write it like ${EXAMPLES}.`;
    } else if (slash && /^(0|[1-9]\d{0,2})$/.test(suffix) && suffix > longest) {
      return `${text} is not an IP address or CIDR range: the prefix of an IPv${address.version} range is 0 to ${longest}.`;
    }
    if (!address || (slash && !/^(0|[1-9]\d{0,2})$/.test(suffix))) {
      return `${text} is not an IP address or CIDR range. Write it like ${EXAMPLES}.`;
    }
    const prefix = slash ? Number(suffix) : longest;
    if (isMapped(address)) {
      const plain = format({ version: 4, parts: address.parts.slice(6).flatMap((part) => [part >> 8, part & 255]) });
      return `${text} is an IPv4 address written as IPv6. Write ${plain}${prefix === 128 ? "" : `/${Math.max(prefix - 96, 0)}`}.`;
    }
    const network = format(clearHostBits(address, prefix));
    if (network !== format(address)) {
      return `${text} has bits set beyond its prefix. Did you mean ${network}/${prefix} or ${format(address)}?`;
    }
    return "";
  };

  make("entries", (field) => {
    const area = $("textarea", field);
    const input = $("[data-entry-input]", field);
    const list = $("[data-entry-list]", field);
    const answer = $("[data-entry-answer]", field);
    // The entries of a line, each with the description after #, where the area keeps descriptions.
    const split = (line) => {
      const [networks, ...comment] = line.split("#");
      const description = "descriptions" in area.dataset ? comment.join("#").trim() : "";
      return networks.split(/[\s,;]+/).filter(Boolean).map((text) => (description ? `${text} # ${description}` : text));
    };
    const values = area.value.split("\n").flatMap(split);
    $("label", field).htmlFor = input.id;
    const typed = () => split(input.value).filter((value) => !values.includes(value));
    // Several pasted lines become one here: an address that a comment then holds would be lost.
    const commentProblem = () => {
      const words = input.value.split("#").slice(1).join(" ").split(/[\s,;]+/);
      const lost = words.find((word) => word && !networkProblem(word));
      return lost ? `${lost} stands after #, where it is a comment. Add it by itself.` : "";
    };
    const problems = () => [...typed().map((value) => networkProblem(value.split("#", 1)[0])), commentProblem()];
    // Someone who typed an address and goes on without Add means it. It is sent, and nothing moves.
    const syncArea = () => {
      area.value = [...values, ...typed()].join("\n");
      input.setCustomValidity(problems().filter(Boolean).join(" "));
    };
    const draw = () => {
      syncArea();
      list.replaceChildren(...values.map((value, index) => {
        const item = $("template", field).content.cloneNode(true).firstElementChild;
        $("code", item).textContent = value;
        $("button", item).setAttribute("aria-label", `Remove ${value}`);
        $("button", item).addEventListener("click", () => {
          values.splice(index, 1);
          draw();
          changed();
          announce(`${value} removed`);
          input.focus();
        });
        return item;
      }));
    };
    const showProblem = (problem) => {
      $("span", answer).textContent = problem;
      answer.classList.toggle("told", problem !== "");
      field.classList.toggle("wrong", problem !== "");
      input.setAttribute("aria-invalid", problem !== "");
    };
    // What follows the form hears of it as if it had been typed.
    const changed = () => area.dispatchEvent(new Event("change", { bubbles: true }));
    const add = () => {
      showProblem(input.validationMessage);
      if (input.validationMessage) return;
      const fresh = typed();
      values.push(...fresh);
      input.value = "";
      draw();
      if (fresh.length) {
        announce(`${fresh.join(", ")} added`);
        changed();
      }
    };
    $("[data-entry-add]", field).addEventListener("click", () => { add(); input.focus(); });
    input.addEventListener("input", () => { showProblem(""); syncArea(); });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && input.value.trim()) { event.preventDefault(); add(); }
    });
    draw();
  });

  // A single network is checked when its field is left, before anything else is filled in.
  make("network", (input) => {
    const answer = document.createElement("p");
    answer.id = `${input.id}_answer`;
    answer.className = "error entry-answer";
    answer.setAttribute("role", "alert");
    input.after(answer);
    input.setAttribute("aria-describedby", `${input.getAttribute("aria-describedby") ?? ""} ${answer.id}`.trim());
    const showProblem = (problem) => {
      answer.textContent = problem;
      answer.classList.toggle("told", problem !== "");
      input.setCustomValidity(problem);
      if (problem) input.setAttribute("aria-invalid", "true");
    };
    input.addEventListener("change", () => {
      const network = input.value.split("#", 1)[0].trim();
      showProblem(network && networkProblem(network));
    });
    input.addEventListener("input", () => { showProblem(""); input.removeAttribute("aria-invalid"); });
  });

  window.keyward.networkProblem = networkProblem;
})();
