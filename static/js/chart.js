// A chart of calls: what each bar stands for by pointer, finger and keyboard, in the chosen zone; a press shows its calls.
"use strict";
(() => {
  const { keyward } = window;
  const { $, all, absolute } = keyward;
  const isLocal = () => document.documentElement.dataset.clock === "local";
  const short = (iso) => absolute(new Date(iso)).replace(/:00(?= )/, "");
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const spanOf = ({ start, end }) => `${short(start).replace(/ [^ ]+$/, "")} to ${short(end)}`;
  const labelOf = ({ dataset }) => `${spanOf(dataset)}: ${dataset.counts}`;
  // From and To are fields in the chosen zone.
  const narrowed = (address, { start, end }) => {
    if (!isLocal()) return address;
    const url = new URL(address, location.href);
    for (const [name, iso] of [["from", start], ["to", end]]) {
      url.searchParams.set(name, absolute(new Date(iso)).slice(0, 19).replace(" ", "T").replace(/:00$/, ""));
    }
    url.searchParams.set("zone", Intl.DateTimeFormat().resolvedOptions().timeZone);
    return url.href;
  };
  const draw = (chart) => {
    for (const bar of all("[data-bar]", chart)) $("title", bar).textContent = labelOf(bar);
    for (const text of all("[data-axis]", chart)) {
      const [date, time] = absolute(new Date(text.dataset.at)).split(" ");
      const day = `${Number(date.slice(8))} ${MONTHS[Number(date.slice(5, 7)) - 1]}`;
      text.textContent = { day, minute: time.slice(0, 5), hour: `${day} ${time.slice(0, 5)}` }[text.dataset.axis];
    }
    for (const link of all("[data-narrow]", chart)) {
      link.dataset.utc ??= link.href;
      link.textContent = spanOf(link.dataset);
      link.href = narrowed(link.dataset.utc, link.dataset);
    }
  };
  keyward.make("chart", (chart) => {
    const plot = $("[data-bars]", chart);
    const bars = all("[data-bar]", plot);
    const readout = $("[data-readout]", chart);
    if (!bars.length) return;
    draw(chart);
    let current = -1;
    const show = (index) => {
      bars[current]?.classList.remove("current");
      current = index;
      bars[current]?.classList.add("current");
      readout.textContent = bars[current] ? labelOf(bars[current]) : "";
      const last = bars[Math.max(current, 0)];
      plot.setAttribute("aria-valuenow", Math.max(current, 0) + 1);
      plot.setAttribute("aria-valuetext", labelOf(last));
    };
    // One stop for the keyboard: arrows go from bar to bar, and Enter shows the calls of one.
    const attributes = { role: "slider", tabindex: 0, "aria-valuemin": 1, "aria-valuemax": bars.length };
    for (const [name, value] of Object.entries(attributes)) plot.setAttribute(name, value);
    show(-1);
    const open = (bar) => location.assign(narrowed(bar.dataset.url, bar.dataset));
    plot.addEventListener("pointermove", ({ target }) => show(bars.indexOf(target.closest("[data-bar]"))));
    plot.addEventListener("pointerleave", ({ pointerType }) => { if (pointerType === "mouse") show(-1); });
    plot.addEventListener("blur", () => show(-1));
    let touched = null;
    plot.addEventListener("click", (event) => {
      const bar = event.target.closest("[data-bar]");
      if (!bar) return;
      // The first touch says what the bar stands for, the second shows its calls.
      if (event.pointerType === "touch" && touched !== bar) {
        touched = bar;
        return show(bars.indexOf(bar));
      }
      open(bar);
    });
    plot.addEventListener("keydown", (event) => {
      const last = bars.length - 1;
      const to = { ArrowRight: Math.min(current + 1, last), ArrowLeft: Math.max(current - 1, 0), Home: 0, End: last }[event.key];
      if (event.key === "Enter" && bars[current]) return open(bars[current]);
      if (to === undefined) return;
      event.preventDefault();
      show(to);
    });
    document.addEventListener("keyward:clock", () => draw(chart));
  });
})();
