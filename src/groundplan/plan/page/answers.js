// The answers as filed and as they stand. `groundplan` is the decision; all parts share one scope.

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
