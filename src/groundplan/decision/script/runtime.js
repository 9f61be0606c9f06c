// What Python's numbers and texts do and JavaScript's operators do not. An int is a BigInt.

function $floor(a, b) {
  const q = a / b;
  return a % b !== 0n && (a < 0n) !== (b < 0n) ? q - 1n : q;
}

function $mod(a, b) {
  return a - b * $floor(a, b);
}

function $modFloat(a, b) {
  const r = a % b;
  return r !== 0 && (r < 0) !== (b < 0) ? r + b : r;
}

function $floorFloat(a, b) {
  let r = a % b;
  let q = (a - r) / b;
  if (r !== 0 && (r < 0) !== (b < 0)) q -= 1;
  const whole = Math.floor(q);
  return q - whole > 0.5 ? whole + 1 : whole;
}

// The whole part of the root of an integer, by Newton's steps from above.
function $isqrt(x) {
  if (x < 0n) throw new RangeError("the root of a negative number");
  if (x < 2n) return x;
  let root = 1n << BigInt((x.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (root + x / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

// The quotient of two integers, rounded once: half to even, as the nearest double.
function $divide(a, b) {
  if (b === 0n) throw new RangeError("division by zero");
  const sign = (a < 0n) !== (b < 0n) ? -1 : 1;
  const x = a < 0n ? -a : a;
  const y = b < 0n ? -b : b;
  if (x <= 9007199254740992n && y <= 9007199254740992n) return (sign * Number(x)) / Number(y);
  const shift = BigInt(y.toString(2).length - x.toString(2).length + 66);
  const top = shift > 0n ? x << shift : x;
  const bottom = shift < 0n ? y << -shift : y;
  let q = top / bottom;
  if (q * bottom !== top) q |= 1n; // what is cut off still says that it is no tie
  return sign * Number(q) * 2 ** -Number(shift);
}

// a / b rounded to an integer, half to even.
function $even(a, b) {
  const q = $floor(a, b);
  const twice = 2n * (a - q * b);
  return twice > b || (twice === b && q % 2n !== 0n) ? q + 1n : q;
}

// A double as the fraction that it is.
function $fraction(x) {
  let bits = 0n;
  if (!Number.isFinite(x)) throw new RangeError(`${x} is no number`);
  while (!Number.isInteger(x)) {
    x *= 2;
    bits += 1n;
  }
  return [BigInt(x), 1n << bits];
}

function $round(x) {
  return $even(...$fraction(x));
}

function $rounded(x, digits) {
  return Number($fixed(x, digits));
}

function $fixed(x, digits) {
  if (x < 0 || Object.is(x, -0)) return `-${$fixed(-x, digits)}`;
  const [top, bottom] = $fraction(x);
  const text = String($even(top * 10n ** BigInt(digits), bottom)).padStart(digits + 1, "0");
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

function $general(x, digits) {
  if (x < 0 || Object.is(x, -0)) return `-${$general(-x, digits)}`;
  if (x === 0) return "0";
  const [top, bottom] = $fraction(x);
  let exponent = Number(x.toExponential().split("e")[1]);
  const scaled = (by) => (by < 0 ? $even(top, bottom * 10n ** BigInt(-by)) : $even(top * 10n ** BigInt(by), bottom));
  let text = String(scaled(digits - 1 - exponent));
  if (text.length > digits) {
    exponent += 1;
    text = text.slice(0, -1);
  }
  const few = (whole) => (whole.includes(".") ? whole.replace(/\.?0*$/, "") : whole);
  if (exponent < -4 || exponent >= digits) {
    const power = String(Math.abs(exponent)).padStart(2, "0");
    return `${few(`${text[0]}.${text.slice(1)}`)}e${exponent < 0 ? "-" : "+"}${power}`;
  }
  if (exponent < 0) return few(`0.${"0".repeat(-exponent - 1)}${text}`);
  return few(`${text.slice(0, exponent + 1)}.${text.slice(exponent + 1)}`);
}

function $grouped(text) {
  const [whole, ...rest] = text.split(".");
  return [whole.replace(/\B(?=(\d{3})+$)/g, ","), ...rest].join(".");
}

function $integer(text) {
  if (!/^[0-9]+$/.test(text)) throw new RangeError(text);
  return BigInt(text);
}

const $min = (...values) => values.reduce((one, two) => (two < one ? two : one));
const $max = (...values) => values.reduce((one, two) => (two > one ? two : one));

// By code points, where a comparison of texts goes by code units.
function $sorted(texts) {
  const points = (text) => [...text].map((sign) => sign.codePointAt(0));
  const order = (one, two) => {
    const at = one.findIndex((point, i) => point !== two[i]);
    return at < 0 ? one.length - two.length : at >= two.length ? 1 : one[at] - two[at];
  };
  return [...texts].sort((one, two) => order(points(one), points(two)));
}

const $SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]*";
const $ENDS = new RegExp(`^${$SPACE}|${$SPACE}$`, "g");
const $strip = (text) => text.replace($ENDS, "");

function $rstrip(text, sign) {
  let end = text.length;
  while (end > 0 && text[end - 1] === sign) end -= 1;
  return text.slice(0, end);
}

function $partition(text, sign) {
  const at = text.indexOf(sign);
  return at < 0 ? [text, "", ""] : [text.slice(0, at), sign, text.slice(at + sign.length)];
}

function $at(map, key) {
  if (!map.has(key)) throw new RangeError(`there is no ${key}`);
  return map.get(key);
}

function $found(value) {
  if (value === undefined) throw new RangeError("none is left");
  return value;
}
