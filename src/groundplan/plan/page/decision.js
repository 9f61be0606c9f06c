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
  together(now, moved);
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

// While answers are moved, a conflict says at least which of them clash; as filed, it has a section.
// It is looked for when the thumb rests: that takes some hundred decisions.
let resting = 0;
function together(now, moved) {
  clearTimeout(resting);
  const list = live("clash");
  list.hidden = true;
  if (now.pattern !== null || moved.length === 0 || beyond()) return;
  resting = setTimeout(() => {
    const sets = clashes();
    const changed = new Set(moved.map((field) => field.key));
    const mine = (set) => set.filter((key) => changed.has(key)).length > 0;
    sets.sort((one, two) => mine(two) - mine(one));
    const rest = sets.length - SHOWN;
    list.replaceChildren(
      ...sets.slice(0, SHOWN).map((set) => make("li", { "data-set-of": set.join(" ") }, "Cannot hold together: ", ...joined(set), ".")),
      ...(rest > 0 ? [make("li", {}, `And ${rest} more ${rest === 1 ? "set" : "sets"}.`)] : []),
    );
    list.hidden = sets.length === 0;
    if (sets.length) live("changed").append(`; ${sets[0].join(", ")} cannot hold together`);
  }, 150);
}

const SHOWN = 2;
function joined(set) {
  return set.flatMap((key, i) => [
    i ? " with " : "", make("a", { href: `#a-${key}` }, key), ` ${text(key, state[fields.get(key).slot])}`,
  ]);
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

// What draws the whole plan from the answers as they are moved; an empty value states none.
function command(moved) {
  const told = moved.map(({ key, slot }) => quoted(`${key}=${state[slot] === null ? "" : text(key, state[slot])}`));
  return ["groundplan plan", ...told.map((one) => `--what-if ${one}`), ...filed.options, "--out plan.html"].join(" ");
}

function bar(now, moved) {
  const aside = document.getElementById("moved");
  aside.hidden = moved.length === 0;
  const pattern = make("b", { class: `chip p-${called(now.pattern)}` }, called(now.pattern));
  const list = moved.map((field) => `${field.key} = ${text(field.key, state[field.slot])}`).join(", ");
  live("changed").replaceChildren(pattern, ` ${now.pattern === decided.pattern ? "as filed" : `was ${called(decided.pattern)}`}: ${list}`);
  live("command").textContent = moved.length ? command(moved) : "";
}
