// A grid of any length: only the rows in sight, and a few around them, are elements.
//
// The grid has the focus and names the row it is on (aria-activedescendant), so that rows may be taken away and put
// to other use while somebody moves through them.

import { element } from "./element.js";

/** Rows kept beyond each edge of what is in sight. */
const AROUND = 8;

/**
 * A source has `length`, `at(index)` (undefined where the row is not loaded yet), `keyOf(row)` and `indexOf(key)`.
 * A column has `title`, `class` and `cell(row)`, which gives text, or a function that paints into the cell.
 */
export class Grid {
  #slots = [];
  #height = 36;
  #scheduled = 0;
  #key = null;

  /** The index of the row that the keyboard is on; -1 before the first use. */
  active = -1;

  constructor(place, { label, columns, source, empty, open, sight = () => {} }) {
    this.source = source;
    this.columns = columns;
    this.empty = empty;
    this.open = open;
    this.sight = sight;
    this.rows = element("div", { class: "rows", role: "rowgroup" });
    this.nothing = element("p", { class: "nothing", hidden: true });
    const head = element("div", { class: "row head", role: "row", "aria-rowindex": 1 },
      columns.map((column) => element("div", { class: `cell ${column.class}`, role: "columnheader" }, column.title)));
    this.root = element("div", {
      id: place.id, class: `grid grid-${place.id}`, role: "grid", tabIndex: 0, "aria-label": label,
      "aria-colcount": columns.length,
    }, element("div", { class: "heads", role: "rowgroup" }, head), this.rows);
    place.replaceWith(this.root);
    this.root.after(this.nothing);
    this.root.addEventListener("scroll", () => this.refresh(), { passive: true });
    this.root.addEventListener("keydown", (event) => this.#move(event));
    this.root.addEventListener("focus", () => this.#enter());
    this.rows.addEventListener("click", (event) => this.#click(event));
    new ResizeObserver(() => this.#measure()).observe(this.root);
    this.#measure();
  }

  /** Paint with the next frame. */
  refresh() {
    this.#scheduled ||= requestAnimationFrame(() => { this.#scheduled = 0; this.#paint(); });
  }

  /** The row that the keyboard is on, if it is loaded. */
  get current() {
    return this.active < 0 ? undefined : this.source.at(this.active);
  }

  /** Go to a row and bring it into sight. */
  go(index) {
    this.active = Math.max(0, Math.min(index, this.source.length - 1));
    const row = this.source.at(this.active);
    this.#key = row === undefined ? null : this.source.keyOf(row);
    const top = this.active * this.#height;
    const room = this.root.clientHeight - this.rows.offsetTop;
    if (top < this.root.scrollTop) this.root.scrollTop = top;
    else if (top + this.#height > this.root.scrollTop + room) this.root.scrollTop = top + this.#height - room;
    this.#paint();
  }

  /** Go to the row of a key, if it is loaded. */
  find(key) {
    const index = this.source.indexOf(key);
    if (index >= 0 && index !== this.active) this.go(index);
  }

  /** Go back to the top, for another content. */
  reset() {
    this.root.scrollTop = 0;
    this.active = document.activeElement === this.root ? 0 : -1;
    this.#key = null;
    this.refresh();
  }

  #enter() {
    if (this.active < 0 && this.source.length) this.go(Math.ceil(this.root.scrollTop / this.#height));
  }

  /** Rows are as high as the style says; another height puts all of them elsewhere. */
  #measure() {
    const height = parseFloat(getComputedStyle(this.root).getPropertyValue("--row-height")) || 36;
    if (height !== this.#height) for (const slot of this.#slots) slot.index = -1;
    this.#height = height;
    this.refresh();
  }

  #move(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const page = Math.max(1, Math.floor((this.root.clientHeight - this.rows.offsetTop) / this.#height) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      event.preventDefault();
      const to = this.active + steps[event.key];
      this.go(to === Infinity ? this.source.length - 1 : to === -Infinity ? 0 : to);
    } else if (event.key === "Enter" && this.current !== undefined) {
      event.preventDefault();
      this.open(this.current);
    }
  }

  #click(event) {
    const slot = this.#slots.find((one) => one.element.contains(event.target));
    if (slot === undefined || slot.index < 0) return;
    this.go(slot.index);
    if (this.current !== undefined) this.open(this.current);
  }

  #paint() {
    if (!this.root.clientHeight) return;
    const length = this.source.length;
    this.root.setAttribute("aria-rowcount", length + 1);
    this.rows.style.height = `${length * this.#height}px`;
    this.nothing.hidden = length > 0;
    if (!length) this.nothing.textContent = this.empty();
    this.#follow(length);
    const first = Math.max(0, Math.floor(this.root.scrollTop / this.#height) - AROUND);
    const last = Math.min(length, Math.ceil((this.root.scrollTop + this.root.clientHeight) / this.#height) + AROUND);
    this.#provide(Math.ceil(this.root.clientHeight / this.#height) + 2 * AROUND + 1);
    const used = new Set();
    for (let index = first; index < last; index += 1) {
      const slot = this.#slots[index % this.#slots.length];
      used.add(slot);
      this.#fill(slot, index);
    }
    for (const slot of this.#slots) {
      if (!used.has(slot)) {
        slot.index = -1;
        slot.element.hidden = true;
      }
    }
    const active = this.#slots.find((slot) => slot.index === this.active && slot.index >= 0);
    if (active === undefined) this.root.removeAttribute("aria-activedescendant");
    else this.root.setAttribute("aria-activedescendant", active.element.id);
    this.sight(first, last);
  }

  /** Stay on the same row when others came or went before it. */
  #follow(length) {
    if (this.#key !== null) {
      const now = this.source.indexOf(this.#key);
      if (now >= 0) this.active = now;
      else this.#key = null;
    }
    if (this.active >= length) this.active = length - 1;
    if (this.#key === null && this.active >= 0 && this.source.at(this.active) !== undefined) {
      this.#key = this.source.keyOf(this.source.at(this.active));
    }
  }

  #provide(count) {
    while (this.#slots.length > count) this.#slots.pop().element.remove();
    while (this.#slots.length < count) {
      const cells = this.columns.map((column) => ({
        element: element("div", { class: `cell ${column.class}`, role: "gridcell" }), last: undefined,
      }));
      const made = element("div", { id: `${this.root.id}-row-${this.#slots.length}`, class: "row", role: "row" },
        cells.map((cell) => cell.element));
      this.#slots.push({ element: made, cells, index: -1 });
      this.rows.append(made);
    }
  }

  #fill(slot, index) {
    const row = this.source.at(index);
    if (slot.index !== index) {
      slot.index = index;
      slot.element.hidden = false;
      slot.element.style.transform = `translateY(${index * this.#height}px)`;
      slot.element.setAttribute("aria-rowindex", index + 2);
    }
    slot.element.classList.toggle("active", index === this.active);
    slot.element.setAttribute("aria-selected", index === this.active);
    slot.element.toggleAttribute("aria-busy", row === undefined);
    this.columns.forEach((column, place) => {
      const cell = slot.cells[place];
      const value = row === undefined ? (place ? "" : "…") : column.cell(row);
      if (typeof value === "function") {
        value(cell);
      } else if (cell.last !== value) {
        cell.last = value;
        cell.element.textContent = value;
        cell.element.title = value;
      }
    });
  }
}
