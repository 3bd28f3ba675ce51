// Times: relative ones go on, and all are in the reader's zone once the clock is switched to it.
"use strict";
(() => {
  const { keyward } = window;
  const { $, all } = keyward;
  const root = document.documentElement;
  // The steps of core/templatetags/ui.py.
  const STEPS = [[31536000, "year"], [2592000, "month"], [86400, "day"], [3600, "hour"], [60, "minute"]];
  const pad = (number, width = 2) => String(number).padStart(width, "0");
  const isLocal = () => root.dataset.clock === "local";
  const age = (date) => {
    let seconds = Math.abs(Date.now() - date) / 1000;
    if (date > Date.now()) {
      const [step] = STEPS.find(([size]) => seconds >= size) || [1];
      seconds = Math.floor(seconds / step + 0.5) * step;
    }
    for (const [size, name] of STEPS) {
      const count = Math.floor(seconds / size);
      if (count) return `${count} ${name}${count > 1 ? "s" : ""}`;
    }
    return "";
  };
  const relative = (date) => {
    const words = age(date);
    if (date > Date.now()) return words ? `in ${words}` : "in a moment";
    return words ? `${words} ago` : "just now";
  };
  const offsetOf = (date) => (isLocal() ? -date.getTimezoneOffset() : 0);
  const zoneOf = (date) => {
    const offset = offsetOf(date);
    return isLocal() ? `${offset < 0 ? "-" : "+"}${pad(Math.floor(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}` : "UTC";
  };
  // "2026-11-20 12:00:00.123", without its zone.
  const formatIso = (date) => new Date(date.getTime() + offsetOf(date) * 60_000).toISOString().slice(0, 23).replace("T", " ");
  const absolute = (date, ms) => `${formatIso(date).slice(0, ms ? 23 : 19)} ${zoneOf(date)}`;
  const dayOf = (date) => {
    const day = new Date(`${formatIso(date).slice(0, 10)}T00:00Z`);
    const part = (options) => day.toLocaleDateString("en", { timeZone: "UTC", ...options });
    return `${part({ weekday: "long" })} ${day.getUTCDate()} ${part({ month: "long" })} ${day.getUTCFullYear()}`;
  };

  // [text, tooltip] of each kind of time.
  const KINDS = {
    relative: (date) => [relative(date), absolute(date)],
    age: (date) => [age(date) || "under a minute", absolute(date)],
    absolute: (date, data) => [absolute(date, "ms" in data)],
    clock: (date) => [formatIso(date).slice(11), `${absolute(date, true)}, ${relative(date)}`],
  };
  const tick = (within = document) => {
    for (const [kind, words] of Object.entries(KINDS)) {
      for (const time of all(`time[data-${kind}]`, within)) {
        const [text, title] = words(new Date(time.dateTime), time.dataset);
        if (time.textContent !== text) time.textContent = text;
        if (title) time.title = title;
      }
    }
    const zone = zoneOf(new Date());
    for (const place of all("[data-zone]", within)) if (place.textContent !== zone) place.textContent = zone;
  };
  // Rows stand under the headings of their days, which begin with the zone.
  const group = (body) => {
    let last = "";
    for (const row of [...body.rows]) {
      const time = $("time[data-clock]", row);
      if (row.matches(".day")) row.remove();
      else if (time && dayOf(new Date(time.dateTime)) !== last) {
        last = dayOf(new Date(time.dateTime));
        const day = body.insertRow(row.sectionRowIndex);
        day.className = "day";
        const heading = document.createElement("th");
        Object.assign(heading, { scope: "rowgroup", colSpan: row.cells.length, textContent: last });
        day.append(heading);
      }
    }
  };
  keyward.addEnhancer((part) => {
    tick(part);
    // Those that the server made are in UTC.
    if (isLocal()) all("[data-days]", part).forEach(group);
  });
  document.addEventListener("keyward:clock", () => {
    tick();
    all("[data-days]").forEach(group);
  });
  setInterval(() => keyward.released(() => tick()), 30_000);
  Object.assign(keyward, { group, tick, absolute });
})();
