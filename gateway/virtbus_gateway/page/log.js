// The events since this page was opened, the newest first, as many as a person looks through.

const KEPT = 1000;

/** An event in words, as `virtbus event` says it. */
export function told(event) {
  const detail = Object.entries(event.detail ?? {}).filter(([name]) => !["event", "detail"].includes(name));
  const head = event.kind === "lifecycle" ? [event.detail?.event, event.detail?.detail] : [event.detail?.event];
  return [...head, ...detail.map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`)]
    .filter(Boolean).join(" ");
}

/** A source of grids. Fires `change`. */
export class Log extends EventTarget {
  #events = [];
  #number = 0;

  get length() {
    return this.#events.length;
  }

  at(index) {
    return this.#events[index];
  }

  keyOf(event) {
    return event.number;
  }

  indexOf(number) {
    const index = this.#number - number;
    return index < this.#events.length ? index : -1;
  }

  add(events) {
    for (const event of events) event.number = ++this.#number;
    this.#events = [...events].reverse().concat(this.#events).slice(0, KEPT);
    this.dispatchEvent(new Event("change"));
  }

  clear() {
    this.#events = [];
    this.dispatchEvent(new Event("change"));
  }
}
