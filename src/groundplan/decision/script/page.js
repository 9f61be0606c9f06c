// What a page asks for: the decision, the edges of one answer, and answers as texts.

const $work = work$Work($ns);
const $every = [...rules$RULES, board$_BEYOND];
const $whole = new Set(["duration", "rate", "size", "count"]);

function $value(field, value) {
  if (value === null || value === undefined) {
    if (field.required) throw new TypeError(`${field.key} is missing`);
    return field.default;
  }
  if ($whole.has(field.kind)) {
    if (typeof value === "bigint") return value;
    const text = typeof value === "string" && /^[0-9]+$/.test(value);
    if (text || Number.isSafeInteger(value)) return BigInt(value);
  } else if (field.kind === "fraction") {
    if (typeof value === "number" && value >= 0 && value <= 1) return value;
  } else if (field.kind === "flag") {
    if (typeof value === "boolean") return value;
  } else if (field.options.includes(value)) {
    return value;
  }
  throw new TypeError(`${field.key} = ${value} (${typeof value}): ${field.rule}`);
}

function $case(answers) {
  const a = { engines: new Map(Object.entries(answers.engines ?? {})), pattern: "", model: "", taken: 0n };
  for (const field of $fields) a[field.slot] = $value(field, answers[field.slot]);
  for (const slot of Object.keys(answers)) {
    if (slot !== "engines" && !$fields.some((field) => field.slot === slot)) {
      throw new TypeError(`${slot} is no answer`);
    }
  }
  return a;
}

function $field(key) {
  const field = $fields.find((one) => one.key === key);
  if (!field) throw new TypeError(`${key} is no answer; there are ${$fields.map((one) => one.key).join(", ")}`);
  return field;
}

function decide(answers) {
  const a = $case(answers);
  const rulings = rules$RULES.filter((rule) => rule.when(a, $work)).map((rule) => ({
    rule: rule.name,
    rules_out: rule.out,
    because: rule.because(a, $work),
    answers: [...rule.reads],
  }));
  const out = new Set(rulings.map((ruling) => ruling.rules_out));
  const standing = patterns$NAMES.filter((name) => !out.has(name));
  const pattern = standing.length > 0 ? standing[0] : null;
  return { pattern, standing, rulings, components: pattern === null ? {} : $components(pattern, a), costs: $name };
}

function $components(pattern, a) {
  a.pattern = pattern;
  const found = {};
  for (const role of role$within(components$ROLES, role$shape(pattern, a.output))) {
    const component = role$fill(role, a, $work);
    found[role.name] = component;
    if (decision$_EXPLAINED.has(role.name)) a.model = component.choice;
  }
  return found;
}

function $outcome(a) {
  if (board$_BEYOND.when(a, $work)) return board$IMPOSSIBLE;
  const out = new Set(rules$RULES.filter((rule) => rule.when(a, $work)).map((rule) => rule.out));
  return patterns$NAMES.find((name) => !out.has(name)) ?? null;
}

function edges(answers, key) {
  const { slot, kind, decides, least, most, required, default: preset } = $field(key);
  if (!decides || !$whole.has(kind)) throw new TypeError(`${key} has no edges: no rule turns at a number of it`);
  const a = $case(answers);
  const turns = $every.flatMap((rule) => rule.edges.filter((edge) => edge[0] === slot));
  const found = new Set(turns.map((edge) => edge[1](a, $work)));
  const sorted = [...found]
    .filter((edge) => edge !== null && least < edge && edge <= most)
    .sort((one, two) => (one < two ? -1 : one > two ? 1 : 0));
  const at = (value) => {
    a[slot] = value;
    return $outcome(a);
  };
  const ranges = [least, ...sorted].map((from, i) => ({
    least: from,
    most: i < sorted.length ? sorted[i] - 1n : most,
    pattern: at(from),
  }));
  return required || preset !== null ? { edges: sorted, ranges } : { edges: sorted, ranges, unstated: at(null) };
}

const $parsed = {
  duration: units$duration,
  rate: units$rate,
  size: units$size,
  count: (text) => {
    if (!/^\+?(?:0|[1-9](?:_?[0-9])*)$/.test(text.trim())) throw new RangeError(text);
    return BigInt(text.trim().replace(/[+_]/g, ""));
  },
  fraction: (text) => {
    const number = /^[+-]?(?:0|[1-9](?:_?[0-9])*)(?:\.[0-9](?:_?[0-9])*)?(?:[eE][+-]?[0-9](?:_?[0-9])*)?$/;
    if (!number.test(text.trim())) throw new RangeError(text);
    return Number(text.trim().replace(/_/g, ""));
  },
  flag: (text) => (text.trim() === "true" ? true : text.trim() === "false" ? false : null),
  choice: (text) => text,
};

function read(key, text) {
  const field = $field(key);
  const refused = (rule) => new RangeError(`${key} = ${JSON.stringify(text)}: ${rule}`);
  let value;
  try {
    value = $parsed[field.kind](text);
    if (!$whole.has(field.kind)) return $value({ ...field, required: true }, value);
  } catch {
    throw refused(field.options || field.example === null ? field.rule : `${field.rule}, such as ${field.example}`);
  }
  if (value < field.least || value > field.most) {
    throw refused(`it must be between ${shown(key, field.least)} and ${shown(key, field.most)}`);
  }
  return value;
}

const $texts = {
  duration: (value) => $exact(units$show_duration$int(value), units$duration, value) ?? `${value}us`,
  rate: (value) => $exact(units$show_rate(value), units$rate, value) ?? `${$decimal(value)}/s`,
  size: (value) => $exact(units$show_size$int(value), units$size, value) ?? `${value}B`,
};

function $exact(text, parse, value) {
  return parse(text) === value ? text : null;
}

function $decimal(nano) {
  const rest = String(nano % 1000000000n).padStart(9, "0").replace(/0+$/, "");
  return rest ? `${nano / 1000000000n}.${rest}` : `${nano / 1000000000n}`;
}

function shown(key, value) {
  const field = $field(key);
  if (value === null || value === undefined) return null;
  return ($texts[field.kind] ?? String)($value(field, value));
}

return Object.freeze({ decide, edges, read, shown, fields: $fields, patterns: patterns$PATTERNS });
