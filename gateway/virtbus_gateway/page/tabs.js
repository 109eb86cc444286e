// Tabs: one in the order of the focus, arrows move between them (the pattern of WAI-ARIA).

import { element } from "./element.js";

/** A list of tabs and a panel under it; `chosen(name)` is called when another is chosen. */
export class Tabs {
  #tabs = new Map();

  /** The name of the tab that is chosen. */
  current = null;

  constructor(label, id, chosen) {
    this.id = id;
    this.chosen = chosen;
    this.list = element("div", { class: "tabs", role: "tablist", "aria-label": label });
    this.panel = element("div", { class: "panel", id: `${id}-panel`, role: "tabpanel", tabIndex: 0 });
    this.list.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Offer these, by name and title; stays on the one that is chosen where it is still offered. */
  offer(titles) {
    if ([...this.#tabs.keys()].join() !== Object.keys(titles).join()) {
      this.#tabs = new Map(Object.entries(titles).map(([name, title]) => [name, element("button", {
        type: "button", role: "tab", id: `${this.id}-tab-${name}`, "aria-controls": this.panel.id,
        on: { click: () => this.choose(name) },
      }, title)]));
      this.list.replaceChildren(...this.#tabs.values());
    }
    this.#mark(this.#tabs.has(this.current) ? this.current : Object.keys(titles)[0]);
  }

  choose(name) {
    this.#mark(name);
    this.chosen(name);
  }

  #mark(name) {
    this.current = name;
    for (const [each, tab] of this.#tabs) {
      tab.setAttribute("aria-selected", each === name);
      tab.tabIndex = each === name ? 0 : -1;
    }
    this.panel.setAttribute("aria-labelledby", `${this.id}-tab-${name}`);
  }

  #move(event) {
    const names = [...this.#tabs.keys()];
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -names.indexOf(this.current), End: names.length - 1 - names.indexOf(this.current) };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const name = names[(names.indexOf(this.current) + steps[event.key] + names.length) % names.length];
    this.choose(name);
    this.#tabs.get(name).focus();
  }
}
