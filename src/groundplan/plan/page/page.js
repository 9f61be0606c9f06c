"use strict";
// The page's own script: answers that move, and what they decide. `groundplan` is the decision.

(() => {
  const filed = JSON.parse(document.getElementById("data").textContent);
  const fields = new Map(groundplan.fields.map((field) => [field.key, field]));
  const whole = new Set(["duration", "rate", "size", "count"]);
  const find = (query, root = document) => root.querySelector(query);
  const every = (query, root = document) => [...root.querySelectorAll(query)];
  const live = (name) => find(`[data-live="${name}"]`);

  // The answers by slot: BigInt where they are whole numbers, null where they are not stated.
  const base = {};
  for (const { slot, kind } of groundplan.fields) {
    const value = filed.answers[slot] ?? null;
    base[slot] = value !== null && whole.has(kind) ? BigInt(value) : value;
  }
  const engines = filed.answers.engines;
  const state = { ...base };
  const whole_state = () => ({ ...state, engines });
  const decided = groundplan.decide({ ...base, engines });

  function make(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === true) made.setAttribute(key, "");
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  function text(key, value) {
    if (value === null) return "not stated";
    const said = String(groundplan.shown(key, value));
    return fields.get(key).kind === "count" ? said.replace(/\B(?=(?:[0-9]{3})+$)/g, "_") : said;
  }

  const called = (pattern) => pattern ?? "conflict";
  const words = (name) => name.replaceAll("_", " ");

  // A number as a place on a logarithmic scale, 0 to 1; zero has a place of its own at the left.
  const second = 1e6, minute = 60 * second, hour = 60 * minute, day = 24 * hour;
  const reach = {
    "latency.p99": [100, 2 * hour],
    "latency.throughput": [1e9 / 3600, 1e15],
    "freshness.predictions": [second, 90 * day],
    "freshness.features": [second, 90 * day],
    "freshness.knowledge": [minute, 365 * day],
    "candidates.per_request": [1, 1e9],
    "candidates.catalog": [1, 1e9],
    "policy.hosts": [1, 1000],
    "policy.cores": [1, 1024],
  };
  const ZERO = 0.035;

  class Scale {
    constructor(key) {
      this.key = key;
      this.field = fields.get(key);
      this.zero = this.field.least === 0n;
      [this.low, this.high] = reach[key];
      this.include(base[this.field.slot]);
    }

    include(value) {
      if (value === null || value <= 0n) return;
      this.low = Math.min(this.low, Number(value));
      this.high = Math.max(this.high, Number(value));
    }

    place(value) {
      const start = this.zero ? ZERO : 0;
      if (value <= 0n) return 0;
      const share = Math.log(Number(value) / this.low) / Math.log(this.high / this.low);
      return start + (1 - start) * Math.min(1, Math.max(0, share));
    }

    value(place) {
      const start = this.zero ? ZERO : 0;
      if (this.zero && place < ZERO / 2) return 0n;
      const share = Math.max(0, (place - start) / (1 - start));
      return this.round(this.low * Math.exp(share * Math.log(this.high / this.low)));
    }

    // Two figures of the unit that people would use.
    round(number) {
      const unit = this.unit(number);
      const amount = number / unit;
      const step = 10 ** Math.max(0, Math.floor(Math.log10(amount)) - 1) * (amount < 10 && unit > 1 ? 0.1 : 1);
      return this.bound(BigInt(Math.round(Math.max(1, Math.round(amount / step)) * step * unit)));
    }

    unit(number) {
      if (this.field.kind === "duration") {
        return [day * 2, hour, minute * 2, second, 1000].find((one) => number >= one) === day * 2
          ? day
          : number >= hour ? hour : number >= 2 * minute ? minute : number >= second ? second : number >= 1000 ? 1000 : 1;
      }
      if (this.field.kind !== "rate") return 1;
      return number >= 1e9 ? 1e9 : number >= 1e9 / 60 ? 1e9 / 60 : 1e9 / 3600;
    }

    bound(value) {
      const { least, most } = this.field;
      return value < least ? least : value > most ? most : value;
    }

    // The next round value: 1, 1.5, 2, 3, 5, 7 and so on.
    next(value, up) {
      let place = this.place(value ?? this.field.least);
      for (let i = 0; i < 400; i += 1) {
        place += up ? 0.0125 : -0.0125;
        const found = this.value(Math.min(1, Math.max(0, place)));
        if (up ? found > value : found < value) return found;
        if (place < 0 || place > 1) return null;
      }
      return null;
    }
  }

  // Controls.

  const controls = new Map();

  function number(key, box) {
    const scale = new Scale(key);
    const paint = make("div", { class: "paint", "aria-hidden": "true" });
    const slider = make("input", {
      type: "range", min: 0, max: 10000, step: 1, "aria-labelledby": `n-${key}`, "aria-describedby": `d-${key}`,
    });
    const asfiled = make("i", { class: "asfiled", title: `as filed: ${text(key, base[scale.field.slot])}` });
    const marks = make("div", { class: "marks" });
    slider.addEventListener("input", () => put(key, scale.value(slider.valueAsNumber / 10000)));
    slider.addEventListener("keydown", (event) => keyed(event, key, scale));
    box.append(make("div", { class: "track" }, paint, asfiled, slider), marks);
    controls.set(key, { scale, paint, slider, asfiled, marks });
    typed(key, box);
  }

  function keyed(event, key, scale) {
    const value = state[scale.field.slot];
    const up = ["ArrowRight", "ArrowUp", "PageUp"].includes(event.key);
    const down = ["ArrowLeft", "ArrowDown", "PageDown"].includes(event.key);
    if (!up && !down) return;
    event.preventDefault();
    if (value === null) return put(key, scale.value(0.5));
    if (event.key.startsWith("Arrow")) {
      const next = scale.next(value, up);
      return next === null ? undefined : put(key, next);
    }
    const { edges } = groundplan.edges(whole_state(), key);
    const flips = edges.map((edge) => (up ? edge : edge - 1n)).filter((edge) => (up ? edge > value : edge < value));
    if (flips.length) put(key, up ? flips[0] : flips.at(-1));
  }

  function typed(key, box) {
    const field = fields.get(key);
    const input = make("input", {
      type: "text", class: "typed", "aria-labelledby": `n-${key}`, spellcheck: "false", placeholder: "not stated",
      "aria-describedby": `e-${key}`,
    });
    const wrong = make("p", { class: "wrong", id: `e-${key}`, role: "alert" });
    input.addEventListener("change", () => {
      wrong.textContent = "";
      const said = input.value.trim();
      try {
        if (!said && field.required) throw new RangeError(`${key} must be stated: ${field.rule}`);
        put(key, said ? groundplan.read(key, said) : field.default);
      } catch (error) {
        wrong.textContent = error.message;
      }
    });
    find(".fixed", box).replaceWith(input);
    box.append(wrong);
    controls.set(key, { ...controls.get(key), typed: input, wrong });
  }

  function choice(key, box) {
    const field = fields.get(key);
    const options = field.kind === "flag" ? [false, true] : [...field.options];
    if (!field.required && field.default === null) options.push(null);
    const group = make("div", { class: "choice", role: "radiogroup", "aria-labelledby": `n-${key}`, "aria-describedby": `d-${key}` });
    const inputs = options.map((option) => {
      const input = make("input", { type: "radio", name: `c-${key}` });
      const then = make("small", { class: "then" });
      const name = option === null ? "not stated" : option === true ? "yes" : option === false ? "no" : option;
      input.addEventListener("change", () => put(key, option));
      group.append(make("label", {}, input, make("span", {}, name), then));
      return { option, input, then };
    });
    find(".fixed", box).replaceWith(group);
    controls.set(key, { inputs });
  }

  for (const box of every("#scales [data-key]")) {
    const key = box.dataset.key;
    const field = fields.get(key);
    if (reach[key]) number(key, box);
    else if (field.kind === "choice" || field.kind === "flag") choice(key, box);
    else typed(key, box);
  }

  // What the answers decide.

  function put(key, value) {
    state[fields.get(key).slot] = value;
    render();
  }

  const differs = () => groundplan.fields.filter(({ slot }) => state[slot] !== base[slot]);

  function beyond() {
    return state.catalog !== null && state.per_request > state.catalog;
  }

  function render() {
    // All widths are read before anything is written: a width read later lays the page out anew.
    for (const control of controls.values()) if (control.paint) control.room = control.paint.clientWidth || 300;
    const answers = whole_state();
    const now = groundplan.decide(answers);
    const moved = differs();
    verdict(now, moved);
    cells(now);
    said(moved);
    parts(now);
    bar(now, moved);
    for (const [key, control] of controls) show(key, control, answers, now);
    document.body.classList.toggle("moved", moved.length > 0);
    clearTimeout(kept);
    kept = setTimeout(keep, 200, moved);
  }

  // The address holds what was moved; browsers refuse to write it as often as a thumb moves.
  let kept = 0;
  function keep(moved) {
    const hash = moved.map((field) => `${field.key}=${state[field.slot] === null ? "" : text(field.key, state[field.slot])}`).join("&");
    const other = location.hash.includes("=") ? "" : location.hash;
    try {
      history.replaceState(null, "", hash ? `#${encodeURI(hash)}` : other || location.pathname + location.search);
    } catch { /* a page that is framed may have no history */ }
  }

  const first = { why: live("why").textContent };

  function verdict(now, moved) {
    const section = document.getElementById("decision");
    for (const one of [...section.classList]) if (one.startsWith("p-")) section.classList.remove(one);
    section.classList.add(`p-${called(now.pattern)}`);
    section.dataset.pattern = called(now.pattern);
    live("pattern").textContent = now.pattern ?? "no pattern";
    const pattern = groundplan.patterns.find((one) => one.name === now.pattern);
    live("shape").textContent = pattern ? pattern.shape : "these answers cannot hold together";
    const then = now.pattern === decided.pattern ? "still" : `${called(decided.pattern)} as filed, now ${called(now.pattern)}`;
    const changes = `${moved.length} answer${moved.length === 1 ? "" : "s"} changed`;
    live("why").textContent = beyond()
      ? "A request cannot choose among more than the catalog holds: change one of the two."
      : moved.length ? `With ${changes}: ${then === "still" ? `${called(now.pattern)}, as filed` : then}.` : first.why;
    for (const card of every(".patterns li")) {
      const name = card.dataset.pattern;
      const out = now.rulings.filter((ruling) => ruling.rules_out === name);
      const was = decided.rulings.some((ruling) => ruling.rules_out === name);
      const state = name === now.pattern ? "chosen" : out.length ? "out" : "stands";
      const before = name === decided.pattern ? "chosen" : was ? "out" : "stands";
      card.className = `p-${name} ${state}${state === before ? "" : " changed"}`;
      find(".state", card).textContent = {
        chosen: "chosen: the simplest left standing",
        out: `out: ${out.length} ruling${out.length > 1 ? "s" : ""}`,
        stands: "stands, but is more complex than needed",
      }[state];
      find(".reason", card).textContent = out.length ? out[0].because : groundplan.patterns.find((one) => one.name === name).wins;
    }
  }

  function sentence(ruling, kind) {
    const links = ruling.answers.flatMap((key) => [make("a", { href: `#a-${key}` }, key), " "]);
    const made = make("p", { "data-rule": ruling.rule, class: kind || null }, make("span", {}, ruling.because), make("small", {}, ...links));
    if (kind) made.prepend(make("em", {}, { come: "new", gone: "gone", other: "changed" }[kind]), " ");
    return made;
  }

  function cells(now) {
    const before = new Map(decided.rulings.map((ruling) => [ruling.rule, ruling]));
    const after = new Map(now.rulings.map((ruling) => [ruling.rule, ruling]));
    for (const cell of every("[data-cell]")) {
      const [table, pattern] = cell.dataset.cell.split(" ");
      const here = (ruling) => filed.homes[ruling.rule] === table && ruling.rules_out === pattern;
      const rows = now.rulings.filter(here).map((ruling) => {
        const old = before.get(ruling.rule);
        return sentence(ruling, old === undefined ? "come" : old.because === ruling.because ? "" : "other");
      });
      const gone = decided.rulings.filter((ruling) => here(ruling) && !after.has(ruling.rule)).map((ruling) => sentence(ruling, "gone"));
      cell.replaceChildren(...(rows.length ? rows : [none(now, table, pattern)]), ...gone);
    }
    for (const head of every("[data-column]")) head.classList.toggle("chosen", head.dataset.column === now.pattern);
  }

  function none(now, table, pattern) {
    const reads = (ruling) => ruling.answers.some((key) => key.split(".")[0] === table);
    const found = now.rulings.find((ruling) => ruling.rules_out === pattern && reads(ruling));
    if (found) return make("span", { class: "soft" }, `with ${filed.homes[found.rule]}`);
    return make("span", { class: "soft", role: "img", "aria-label": "nothing against" }, "✓");
  }

  function said(moved) {
    const changed = new Set(moved.map((field) => field.key));
    for (const one of every("[data-said]")) {
      const key = one.dataset.said;
      one.textContent = text(key, state[fields.get(key).slot]);
      one.classList.toggle("changed", changed.has(key));
    }
  }

  function parts(now) {
    const body = find("#components tbody");
    const rows = Object.entries(now.components).map(([role, part]) => {
      const old = decided.components[role];
      const changed = old === undefined || old.choice !== part.choice;
      const was = !changed ? null : make("small", {}, ` ${old ? `was ${words(old.choice)}` : "new"}`);
      return make("tr", { class: changed ? "changed" : null },
        make("th", { scope: "row" }, words(role)),
        make("td", { "data-head": "choice" }, make("b", {}, words(part.choice)), was),
        make("td", { "data-head": "because" }, part.because));
    });
    for (const [role, part] of Object.entries(decided.components)) {
      if (role in now.components) continue;
      rows.push(make("tr", { class: "gone" }, make("th", { scope: "row" }, words(role)),
        make("td", { "data-head": "choice" }, make("s", {}, words(part.choice))), make("td", { "data-head": "because" }, "no longer needed")));
    }
    body.replaceChildren(...rows);
  }

  const quoted = (value) => (/^[\w.:/%=-]+$/.test(value) ? value : `'${value}'`);

  function bar(now, moved) {
    const aside = document.getElementById("moved");
    aside.hidden = moved.length === 0;
    const pattern = make("b", { class: `chip p-${called(now.pattern)}` }, called(now.pattern));
    const list = moved.map((field) => `${field.key} = ${text(field.key, state[field.slot])}`).join(", ");
    live("changed").replaceChildren(pattern, ` ${now.pattern === decided.pattern ? "as filed" : `was ${called(decided.pattern)}`}: ${list}`);
    const told = moved.filter((field) => state[field.slot] !== null);
    live("command").textContent = told.length === moved.length
      ? `groundplan plan ${told.map((field) => `--what-if ${quoted(`${field.key}=${text(field.key, state[field.slot])}`)}`).join(" ")}`
      : "";
  }

  // One control as the answers stand.

  function show(key, control, answers, now) {
    const field = fields.get(key);
    const value = state[field.slot];
    const box = document.getElementById(`a-${key}`);
    box.classList.toggle("changed", value !== base[field.slot]);
    const only = field.doc.startsWith("Answers only") || key === "policy.fine_tuning";
    box.hidden = only && state.output !== "answer" && (value === null || value === false);
    if (control.typed) {
      control.typed.value = value === null ? "" : text(key, value);
      control.wrong.textContent = key === "candidates.per_request" && beyond() ? "more than the catalog holds" : "";
    }
    if (control.scale) paint(key, control, answers, value);
    if (control.inputs) options(field, control, answers, value, now);
  }

  function options(field, control, answers, value, now) {
    for (const { option, input, then } of control.inputs) {
      input.checked = option === value;
      if (!field.decides) continue;
      const pattern = option === value ? now.pattern : groundplan.decide({ ...answers, [field.slot]: option }).pattern;
      then.textContent = called(pattern);
      then.className = `then p-${called(pattern)}`;
    }
  }

  function paint(key, { scale, paint: strip, slider, asfiled, marks, room: full }, answers, value) {
    const { edges, ranges, unstated } = groundplan.edges(answers, key);
    for (const edge of edges) if (Number(edge) < scale.high * 100 && Number(edge) > scale.low / 100) scale.include(edge);
    if (value !== null) scale.include(value);
    const spans = [];
    for (const range of ranges) {
      const last = spans.at(-1);
      if (last && last.pattern === range.pattern) last.most = range.most;
      else spans.push({ ...range });
    }
    strip.replaceChildren(...spans.map((span, i) => {
      const from = i === 0 ? 0 : scale.place(span.least);
      const to = i === spans.length - 1 ? 1 : scale.place(span.most + 1n);
      const name = called(span.pattern);
      const piece = make("div", { class: `span p-${name}`, title: `${text(key, span.least)} to ${text(key, span.most)}: ${name}` });
      piece.style.left = `${100 * from}%`;
      piece.style.width = `${100 * Math.max(0, to - from)}%`;
      const room = (to - from) * full;
      if (room > name.length * 8 + 8) piece.textContent = name;
      const held = value === null ? 1 : scale.place(value);
      if (held >= from && held < (from + to) / 2) piece.classList.add("right");
      return piece;
    }));
    const start = base[scale.field.slot];
    asfiled.hidden = start === null;
    if (start !== null) asfiled.style.left = `${100 * scale.place(start)}%`;
    strip.parentElement.classList.toggle("unstated", value === null);
    slider.valueAsNumber = Math.round(10000 * (value === null ? 1 : scale.place(value)));
    slider.setAttribute("aria-valuetext", value === null ? `not stated: ${called(unstated)}` : `${text(key, value)}: ${called(pattern(spans, value))}`);
    label(key, scale, marks, spans, full);
  }

  const pattern = (spans, value) => spans.find((span) => span.least <= value && value <= span.most)?.pattern;

  // The exact points below the scale: a mark is on the value where something else begins.
  function label(key, scale, marks, spans, room) {
    const ends = [-10, -10];
    marks.replaceChildren(...spans.slice(1).map((span, i) => {
      const said = text(key, span.least);
      const at = scale.place(span.least);
      const wide = brief(key, span.least).length * 7.2 + 12;
      const left = Math.min(room - wide, Math.max(0, at * room - wide / 2));
      const row = left > ends[0] ? 0 : left > ends[1] ? 1 : 2;
      if (row < 2) ends[row] = left + wide + 4;
      const name = called(span.pattern);
      const mark = make("button", {
        type: "button", tabindex: "-1", class: `mark p-${name}${row === 2 ? " bare" : ""}`, title: `${said} or more: ${name}`,
        "aria-label": `${key} ${said} or more: ${name}`,
      }, brief(key, span.least));
      mark.style.left = `${left}px`;
      mark.style.top = `${row * 22}px`;
      const value = state[scale.field.slot];
      mark.addEventListener("click", () => put(key, value !== null && value >= span.least ? spans[i].most : span.least));
      return mark;
    }));
    marks.style.height = `${ends[1] > 0 ? 46 : spans.length > 1 ? 24 : 0}px`;
  }

  // At most nine characters of an exact value.
  function brief(key, value) {
    const exact = text(key, value);
    if (exact.length <= 9) return exact;
    const match = /^([0-9._]+)(.*)$/.exec(exact);
    const number = Number(match[1].replaceAll("_", ""));
    const [size, sign] = number >= 1e9 ? [1e9, "G"] : number >= 1e6 ? [1e6, "M"] : number >= 1e4 ? [1e3, "k"] : [1, ""];
    const rounded = Number((number / size).toPrecision(4));
    return `${rounded * size === number ? "" : "≈"}${rounded}${sign}${match[2]}`;
  }

  // The rest of the page.

  function assume(lines) {
    for (const line of lines) {
      const at = line.indexOf("=");
      const field = fields.get(line.slice(0, at));
      if (!field) continue;
      const value = line.slice(at + 1);
      try {
        state[field.slot] = value === "" ? field.default : groundplan.read(field.key, value);
      } catch { /* a link with a value that the file would refuse changes nothing */ }
    }
    render();
  }

  for (const button of every("[data-set]")) {
    button.addEventListener("click", () => {
      Object.assign(state, base);
      assume(button.dataset.set.split("\n"));
    });
  }
  document.getElementById("reset").addEventListener("click", () => {
    Object.assign(state, base);
    render();
    document.getElementById("decision").scrollIntoView({ block: "nearest" });
  });
  document.getElementById("scales").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("print").addEventListener("click", () => window.print());

  const theme = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function themed(name) {
    if (name) document.documentElement.dataset.theme = name;
    const isDark = name ? name === "dark" : dark.matches;
    theme.setAttribute("aria-pressed", String(isDark));
    theme.textContent = isDark ? "light" : "dark";
  }
  theme.addEventListener("click", () => themed(theme.getAttribute("aria-pressed") === "true" ? "light" : "dark"));
  dark.addEventListener("change", () => themed(document.documentElement.dataset.theme));

  let folded = [];
  addEventListener("beforeprint", () => {
    folded = every("details:not([open])");
    for (const one of folded) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of folded) one.open = false;
  });

  // A link into a fold, or to an answer, shows where it leads.
  addEventListener("hashchange", () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.classList.contains("answer")) find("input", target)?.focus({ preventScroll: true });
  });

  let size = 0;
  new ResizeObserver(() => {
    if (size !== document.body.clientWidth) render();
    size = document.body.clientWidth;
  }).observe(document.body);

  document.documentElement.classList.add("scripted");
  themed(null);
  const shared = decodeURI(location.hash.slice(1));
  if (shared.includes("=")) assume(shared.split("&"));
  else render();
})();
