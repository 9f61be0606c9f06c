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
    const said = text(key, span.least).replaceAll("_", ",");
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
  const exact = text(key, value).replaceAll("_", ",");
  if (exact.length <= 9 && !/[0-9]{6}/.test(exact)) return exact;
  const match = /^([0-9.,]+)(.*)$/.exec(exact);
  const number = Number(match[1].replaceAll(",", ""));
  const sizes = match[2] === "us" ? [[6e7, 6e7, "m"], [1e6, 1e6, "s"], [1e3, 1e3, "ms"]] : [[1e9, 1e9, "G"], [1e6, 1e6, "M"], [1e4, 1e3, "k"]];
  const [, size, sign] = sizes.find(([least]) => number >= least) ?? [0, 1, match[2] === "us" ? "us" : ""];
  const rounded = Number((number / size).toPrecision(4));
  return `${rounded * size === number ? "" : "≈"}${rounded}${sign}${match[2] === "us" ? "" : match[2]}`;
}
