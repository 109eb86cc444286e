// Live figures of the domains in sight: asked of their hosts every few seconds, while the page is seen.

import { addressOf, api } from "./api.js";
import { isActive } from "./domains.js";

const EVERY = 3_000;
const READERS = 2;
/** How many measurements are kept for the line of a domain. */
const KEPT = 60;
/** Sums over a domain's disks and interfaces, of which the rates are made. */
const SUMS = {
  read: /^block\.\d+\.rd\.bytes$/, written: /^block\.\d+\.wr\.bytes$/,
  received: /^net\.\d+\.rx\.bytes$/, sent: /^net\.\d+\.tx\.bytes$/,
};

/** Figures by domain. Fires `change`. */
export class Figures extends EventTarget {
  #measured = new Map();
  #wanted = [];
  #timer = 0;
  #busy = false;

  constructor(hosts) {
    super();
    this.hosts = hosts;
  }

  /** `{cpu, memory, read, written, received, sent, history}`; undefined before the first measurement. */
  of(domain) {
    return isActive(domain) ? this.#measured.get(`${domain.host}/${domain.uuid}`)?.shown : undefined;
  }

  /** Measure these from now on; those in `whole` with all groups. */
  want(domains, whole = null) {
    this.#wanted = domains.map((domain) => ({ domain, whole: domain === whole }));
    if (whole && !domains.includes(whole)) this.#wanted.unshift({ domain: whole, whole: true });
    if (this.#wanted.some(({ domain }) => this.#due(domain) && this.of(domain) === undefined)) this.#soon(100);
  }

  start() {
    this.#soon(100);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#wanted = [];
    this.#measured.clear();
  }

  #soon(milliseconds) {
    if (this.#busy) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#round(), milliseconds);
  }

  #due(domain) {
    return isActive(domain) && this.hosts.offers(domain.host, "domain.stats")
      && performance.now() - (this.#measured.get(`${domain.host}/${domain.uuid}`)?.at ?? -Infinity) > EVERY * 0.8;
  }

  async #round() {
    this.#busy = true;
    try {
      if (document.visibilityState === "visible") {
        const due = this.#wanted.filter(({ domain }) => this.#due(domain));
        await Promise.all(Array.from({ length: READERS }, async () => {
          for (let next = due.shift(); next !== undefined; next = due.shift()) await this.#measure(next);
        }));
        this.#prune();
        this.dispatchEvent(new Event("change"));
      }
    } finally {
      this.#busy = false;
      this.#soon(EVERY);
    }
  }

  async #measure({ domain, whole }) {
    const group = whole ? [] : ["cpu-total", "balloon"];
    const key = `${domain.host}/${domain.uuid}`;
    const last = this.#measured.get(key);
    const at = performance.now();
    let stats = null;
    try {
      const answer = await api.get(`${addressOf(domain)}/stats`, { group });
      if (!answer.timed_out) stats = answer.stats;
    } catch (problem) {
      // A figure that cannot be had now is shown as missing; the domain itself is told of by the record.
      if (problem.name === "AbortError") return;
    }
    this.#measured.set(key, { at, stats, shown: stats && shown(stats, last, (at - last?.at) / 1000, domain) });
  }

  #prune() {
    const wanted = new Set(this.#wanted.map(({ domain }) => `${domain.host}/${domain.uuid}`));
    if (this.#measured.size > 4 * wanted.size + 100) {
      for (const key of this.#measured.keys()) if (!wanted.has(key)) this.#measured.delete(key);
    }
  }
}

/** What is shown of two measurements that lie `seconds` apart. */
function shown(stats, last, seconds, domain) {
  const rate = (of) => {
    const grown = last?.stats ? of(stats) - of(last.stats) : NaN;
    return grown >= 0 ? grown / seconds : NaN;
  };
  const cpu = rate((one) => one["cpu.time"]) / 1e9 / Math.max(1, domain.vcpus);
  const free = stats["balloon.unused"];
  const all = stats["balloon.available"] ?? stats["balloon.current"];
  const made = { cpu, memory: free === undefined ? stats["balloon.rss"] : all - free };
  for (const [name, key] of Object.entries(SUMS)) made[name] = rate((one) => sum(one, key));
  made.history = [...(last?.shown?.history ?? []), made.cpu].filter(Number.isFinite).slice(-KEPT);
  return made;
}

/** Not a number where none was measured: the list asks for fewer groups than an open domain. */
function sum(stats, key) {
  const names = Object.keys(stats).filter((name) => key.test(name));
  return names.length ? names.reduce((total, name) => total + stats[name], 0) : NaN;
}
