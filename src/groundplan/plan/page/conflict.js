// Conflicts: the smallest sets of answers that leave no pattern, whatever the others are.

const MANY = 120; // sets looked at: far more than answers ever clash in

// The answers with those of a set as they stand, and the others where no rule is stricter.
function loosened(kept, output) {
  const loose = { ...whole_state(), output };
  for (const [key, value] of Object.entries(filed.loosest)) {
    if (!kept.has(key) && key !== "system.output") loose[fields.get(key).slot] = value;
  }
  if (!kept.has("freshness.knowledge") && loose.private_corpus !== true) loose.knowledge = null;
  return loose;
}

function clash(kept) {
  const outputs = kept.has("system.output") ? [state.output] : fields.get("system.output").options;
  return outputs.every((output) => groundplan.decide(loosened(kept, output)).pattern === null);
}

// A smallest set within those that are left: what can go without freeing a pattern, goes.
function smallest(left) {
  if (!clash(left)) return null;
  const kept = new Set(left);
  for (const key of left) {
    kept.delete(key);
    if (!clash(kept)) kept.add(key);
  }
  return kept;
}

// Every smallest set: another one lacks some answer of each that is known.
function clashes() {
  const found = new Map();
  const seen = new Set();
  const waiting = [Object.keys(filed.loosest)];
  while (waiting.length && seen.size < MANY) {
    const left = waiting.pop();
    if (seen.has(left.join())) continue;
    seen.add(left.join());
    const known = [...found.values()].find((one) => one.every((key) => left.includes(key)));
    const set = known ?? [...smallest(new Set(left)) ?? []];
    if (!set.length) continue;
    found.set(set.join(), set);
    for (const key of set) waiting.push(left.filter((one) => one !== key));
  }
  return [...found.values()].sort((one, two) => one.length - two.length);
}
