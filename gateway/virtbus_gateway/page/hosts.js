// The fleet's hosts, read again when an event tells of one and every few seconds while somebody looks.

import { api } from "./api.js";

const EVERY = 10_000;

/** All hosts by name. Fires `change`. A source of grids. */
export class Hosts extends EventTarget {
  #hosts = [];
  #byName = new Map();
  #soon = 0;
  #timer = 0;

  get length() {
    return this.#hosts.length;
  }

  at(index) {
    return this.#hosts[index];
  }

  keyOf(host) {
    return host.record.name;
  }

  indexOf(name) {
    return this.#hosts.findIndex((host) => host.record.name === name);
  }

  get(name) {
    return this.#byName.get(name);
  }

  get names() {
    return [...this.#byName.keys()];
  }

  /** Whether a host's worker serves an operation now. */
  offers(name, operation) {
    const host = this.get(name);
    return host !== undefined && host.served && operation in host.record.operations;
  }

  /** How many domains there are, on one host or on all. */
  domains(name) {
    if (name) return this.get(name)?.domains ?? 0;
    return this.#hosts.reduce((sum, host) => sum + host.domains, 0);
  }

  async load() {
    const { hosts } = await api.get("/v1/hosts");
    this.#hosts = hosts;
    this.#byName = new Map(hosts.map((host) => [host.record.name, host]));
    this.dispatchEvent(new Event("change"));
  }

  /** Read again, once for many events. */
  touch(fault) {
    this.#soon ||= setTimeout(() => { this.#soon = 0; this.load().catch(fault); }, 300);
  }

  /** Keep it current until `stop`. */
  start(fault) {
    this.#timer = setInterval(() => { if (document.visibilityState === "visible") this.load().catch(fault); }, EVERY);
  }

  stop() {
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    this.#soon = 0;
    this.#hosts = [];
    this.#byName.clear();
  }
}
