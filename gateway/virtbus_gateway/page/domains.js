// The domains that fit the filter: read page by page as far as somebody looks, kept current by events.
//
// An event changes a row at once by what it says; the record is read again for rows in sight, the others are marked
// as stale and read when they come into sight.

import { addressOf, api } from "./api.js";
import { glob } from "./words.js";

const FIRST_PAGE = 100;
const PAGE = 500;
/** How many rows before the end of what is loaded the next page is asked for. */
const AHEAD = 150;
/** Records read side by side: a browser has six connections to a server, and the event stream holds one. */
const READERS = 3;

/** The state that a lifecycle event leaves. */
const STATE_AFTER = {
  started: "running", resumed: "running", suspended: "paused", stopped: "shutoff", shutdown: "shutdown",
  crashed: "crashed", pmsuspended: "pmsuspended",
};
/** The states of domains, with libvirt's names. */
export const STATES = ["running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended", "nostate"];

/** Whether the hypervisor has the domain now. */
export const isActive = (domain) => !["nostate", "shutoff"].includes(domain.state);

const before = (a, b) => (a.host === b.host ? a.uuid < b.uuid : a.host < b.host);

/** A source of grids. Fires `change`, with the keys that are concerned, and `loaded`. */
export class Domains extends EventTarget {
  #rows = [];
  #byKey = new Map();
  #stale = new Set();
  #queue = new Set();
  #readers = 0;
  #cursor = null;
  #loading = null;
  #wanted = 0;
  #turn = new AbortController();
  #filter = {};
  #tests = [];

  complete = false;

  constructor(hosts) {
    super();
    this.hosts = hosts;
  }

  /** The rows that are loaded, and while there are more, as many as are to be expected. */
  get length() {
    if (this.complete) return this.#rows.length;
    const { state, name, label, host } = this.#filter;
    const expected = state || name || label ? 0 : this.hosts.domains(host);
    return this.#rows.length ? Math.max(this.#rows.length + 1, expected) : 0;
  }

  /** How many rows are loaded. */
  get loaded() {
    return this.#rows.length;
  }

  at(index) {
    return this.#rows[index];
  }

  keyOf(domain) {
    return `${domain.host}/${domain.uuid}`;
  }

  indexOf(key) {
    const row = this.#byKey.get(key);
    return row === undefined ? -1 : this.#place(row);
  }

  get(key) {
    return this.#byKey.get(key);
  }

  /** Read from the start what fits a filter: `name` (a glob), `state`, `host`, `label`; the old rows stay until then. */
  async load(filter = this.#filter) {
    this.#turn.abort();
    this.#turn = new AbortController();
    this.#filter = filter;
    this.#tests = tests(filter);
    this.#loading = null;
    this.#wanted = 0;
    await this.#page(this.#turn.signal, null);
  }

  /** Forget everything. */
  clear() {
    this.#turn.abort();
    this.#replace([], null);
  }

  /** Rows up to an index are in sight: read on until they are there, and read again what is stale among them. */
  sight(first, last, fault) {
    this.#wanted = last;
    if (!this.complete && this.#rows.length && this.#rows.length < last + AHEAD) this.#more().catch(fault);
    if (!this.#stale.size) return;
    for (let index = first; index < Math.min(last, this.#rows.length); index += 1) {
      const key = this.keyOf(this.#rows[index]);
      if (this.#stale.delete(key)) this.#enqueue(key, fault);
    }
  }

  /** Take in what an event says of a domain. */
  apply(event, fault) {
    if (!event.domain) return;
    const key = `${event.host}/${event.domain}`;
    const known = this.#byKey.get(key);
    if (known === undefined) {
      // Behind what is loaded it comes with its page.
      if (event.kind === "lifecycle" && this.#reached({ host: event.host, uuid: event.domain })) this.#enqueue(key, fault);
      return;
    }
    if (event.generation && event.generation <= known.generation) return;
    if (event.kind === "lifecycle") {
      const happened = event.detail?.event;
      if (happened === "undefined" && !isActive(known)) return void this.#put(key, null);
      const state = STATE_AFTER[happened] ?? known.state;
      this.#put(key, { ...known, state, generation: event.generation || known.generation });
    }
    if (this.#byKey.has(key)) this.#stale.add(key);
    else this.#enqueue(key, fault);
  }

  /** Read a domain's record again. */
  async read(key) {
    const [host, uuid] = key.split("/");
    let domain = null;
    try {
      domain = await api.get(addressOf({ host, uuid }));
    } catch (problem) {
      if (problem.status !== 404) throw problem;
    }
    this.#put(key, domain);
    return domain;
  }

  #more() {
    this.#loading ??= this.#on(this.#turn.signal);
    return this.#loading;
  }

  async #on(signal) {
    try {
      while (!signal.aborted && !this.complete && this.#rows.length < this.#wanted + AHEAD) {
        await this.#page(signal, this.#cursor);
      }
    } finally {
      if (!signal.aborted) this.#loading = null;
    }
  }

  async #page(signal, cursor) {
    let page;
    try {
      page = await api.get("/v1/domains", { ...this.#filter, cursor, limit: cursor ? PAGE : FIRST_PAGE }, { signal });
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    if (signal.aborted) return;
    this.#replace(cursor ? this.#rows.concat(page.domains) : page.domains, page.cursor);
    if (!cursor) this.dispatchEvent(new Event("loaded"));
  }

  #replace(rows, cursor) {
    const from = rows.length && this.#rows.length && rows[0] === this.#rows[0] ? this.#rows.length : 0;
    if (from === 0) this.#byKey.clear();
    // A row that an event put behind the loaded ones comes again with its page.
    const fresh = rows.slice(from).filter((row) => !this.#byKey.has(this.keyOf(row)));
    for (const row of fresh) this.#byKey.set(this.keyOf(row), row);
    this.#rows = from === 0 ? fresh : this.#rows.concat(fresh);
    this.#cursor = cursor;
    this.complete = cursor === null;
    this.dispatchEvent(new CustomEvent("change", { detail: null }));
  }

  #enqueue(key, fault) {
    this.#queue.add(key);
    while (this.#readers < READERS && this.#queue.size > this.#readers) this.#drain(fault);
  }

  async #drain(fault) {
    this.#readers += 1;
    try {
      for (const key of this.#queue) {
        this.#queue.delete(key);
        await this.read(key);
      }
    } catch (problem) {
      fault(problem);
    } finally {
      this.#readers -= 1;
    }
  }

  /** Whether a domain's place is among what is loaded. */
  #reached(domain) {
    return this.complete || (this.#rows.length > 0 && before(domain, this.#rows.at(-1)));
  }

  /** Put a domain where it belongs; null, and what does not fit the filter, is taken out. */
  #put(key, domain) {
    const known = this.#byKey.get(key);
    const fits = domain !== null && this.#tests.every((test) => test(domain));
    if (known !== undefined) {
      const index = this.#place(known);
      if (fits) this.#rows[index] = domain;
      else this.#rows.splice(index, 1);
    } else if (fits && this.#reached(domain)) {
      this.#rows.splice(this.#place(domain), 0, domain);
    }
    if (fits && (known !== undefined || this.#reached(domain))) this.#byKey.set(key, domain);
    else this.#byKey.delete(key);
    this.dispatchEvent(new CustomEvent("change", { detail: key }));
  }

  /** The index of a domain, or where it would be put. */
  #place(domain) {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before(this.#rows[middle], domain)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** What a filter asks of a domain, as the gateway reads it. */
function tests({ host, state, name, label }) {
  const asked = [];
  if (host) asked.push((domain) => domain.host === host);
  if (state) asked.push((domain) => domain.state === state);
  if (name) {
    const fits = glob(name);
    asked.push((domain) => fits.test(domain.name));
  }
  if (label) {
    const [key, ...value] = label.split("=");
    asked.push(value.length
      ? (domain) => domain.labels[key] === value.join("=")
      : (domain) => key in domain.labels);
  }
  return asked;
}
