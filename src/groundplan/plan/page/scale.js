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
