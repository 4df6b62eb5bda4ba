// rates: from counters to what happens per second. A gateway that has begun anew counts from 0 again.

const KEPT = 90;
const RECENT_US = 60e6;

const keyOf = (row) => JSON.stringify([row.listener, row.rule, row.protocol, row.end]);

function difference(now, before, field) {
  return Math.max(0, (now[field] ?? 0) - (before?.[field] ?? 0));
}

export class Rates {
  #samples = [];

  /* `traffic` is the document /v1/traffic, `pid` the process that counts. */
  add(traffic, pid) {
    if (this.#samples.length > 0 && this.#samples.at(-1).pid !== pid) this.#samples = [];
    this.#samples.push({
      pid,
      us: traffic.monotonic_us,
      traffic: new Map(traffic.traffic.map((row) => [keyOf(row), row])),
      ends: new Map(traffic.ends.map((row) => [keyOf(row), row])),
    });
    if (this.#samples.length > KEPT) this.#samples.shift();
  }

  get now() {
    return this.#samples.at(-1);
  }

  get before() {
    return this.#samples.at(-2);
  }

  #seconds(now, before) {
    return before ? Math.max(1e-3, (now.us - before.us) / 1e6) : 0;
  }

  /* Rows of traffic, summed over those for which `group` gives the same text: how many it took (under nested rules a session
   * is taken more than once, and decided once), how many are open, bytes, and each per second. */
  groups(group) {
    const { now, before } = this;
    const seconds = this.#seconds(now, before);
    const groups = new Map();
    for (const [key, row] of now.traffic) {
      const name = group(row);
      if (name === null) continue;
      const sum = groups.get(name) ?? { name, taken: 0, decided: 0, sessions: 0, in: 0, out: 0, takenRate: 0, decidedRate: 0, inRate: 0, outRate: 0 };
      const old = before?.traffic.get(key);
      const per = (field) => (seconds > 0 ? difference(row, old, field) / seconds : 0);
      sum.taken += row.taken;
      sum.decided += row.decided;
      sum.sessions += row.sessions;
      sum.in += row.bytes_in;
      sum.out += row.bytes_out;
      sum.takenRate += per('taken');
      sum.decidedRate += per('decided');
      sum.inRate += per('bytes_in');
      sum.outRate += per('bytes_out');
      groups.set(name, sum);
    }
    return groups;
  }

  /* One number per pair of samples, oldest first: `measure(rows, oldRows, seconds)`. */
  history(measure) {
    const points = [];
    for (let i = 1; i < this.#samples.length; i++) {
      const [before, now] = [this.#samples[i - 1], this.#samples[i]];
      points.push(measure(now.traffic, before.traffic, this.#seconds(now, before)));
    }
    return points;
  }

  /* Ends by reason: how many in all, and how many within the last minute that was looked at. */
  ends() {
    const now = this.now;
    const from = this.#samples.find((sample) => now.us - sample.us <= RECENT_US) ?? now;
    const reasons = new Map();
    for (const [key, row] of now.ends) {
      const sum = reasons.get(row.end) ?? { end: row.end, total: 0, recent: 0 };
      sum.total += row.count;
      sum.recent += difference(row, from.ends.get(key), 'count');
      reasons.set(row.end, sum);
    }
    return [...reasons.values()].sort((a, b) => b.recent - a.recent || b.total - a.total || (a.end < b.end ? -1 : 1));
  }
}

/* What a session counts for when it comes in: the row of those that are not decided. */
export const isArrival = (row) => row.rule === '';

export function sumRate(field, wanted = () => true) {
  return (now, before, seconds) => {
    let sum = 0;
    for (const [key, row] of now) if (wanted(row)) sum += difference(row, before.get(key), field);
    return sum / seconds;
  };
}

export function sum(field) {
  return (now) => [...now.values()].reduce((total, row) => total + row[field], 0);
}
