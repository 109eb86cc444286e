// One domain: its state, figures and actions, and what it consists of, in tabs.

import { allowed, obstacle, perform, request } from "./actions.js";
import { addressOf, api } from "./api.js";
import { deviceList } from "./devices.js";
import { button, byId, element } from "./element.js";
import { jobItem } from "./jobview.js";
import { line } from "./line.js";
import { complain } from "./notices.js";
import { Tabs } from "./tabs.js";
import { bytes, kibibytes, labels, percent, time } from "./words.js";

/** The tabs, with the operation that the host must offer for them. */
const TABS = [
  ["overview", "Overview"], ["devices", "Devices"], ["xml", "XML"], ["jobs", "Jobs"],
  ["snapshots", "Snapshots", "snapshot.list", "domain:read"], ["screen", "Screen", "domain.screenshot", "domain:console"],
];
/** Tabs that are read again when something happens to the domain. */
const FOLLOWS = ["devices", "xml", "snapshots"];

/** The panel of the domain that is chosen. `world` has the stores. */
export class DomainPanel {
  #key = null;
  #domain = null;
  #shown = "";
  #picture = "";
  #reading = 0;
  #read = false;

  constructor(world, closed) {
    this.world = world;
    this.root = byId("domain");
    this.title = element("h2", { id: "domain-title", tabIndex: -1 });
    this.place = element("p", { class: "place" });
    this.buttons = element("div", { class: "actions", role: "group", "aria-label": "Actions" });
    this.tabs = new Tabs("Parts of the domain", "domain", () => this.#fill());
    const close = button("Close", closed, { class: "quiet", "aria-label": "Close the domain" });
    this.root.append(element("header", {}, this.title, close), this.place, this.buttons, this.tabs.list, this.tabs.panel);
  }

  get key() {
    return this.#key;
  }

  get domain() {
    return this.#domain;
  }

  /** Show a domain, which is read again. */
  async show(key) {
    this.#key = key;
    this.#read = false;
    this.#domain = this.world.domains.get(key) ?? null;
    this.root.hidden = false;
    this.tabs.panel.replaceChildren();
    this.update();
    if (!FOLLOWS.includes(this.tabs.current)) this.#fill();
    await this.follow();
  }

  hide() {
    this.#key = null;
    this.#domain = null;
    this.#forgetPicture();
    this.root.hidden = true;
  }

  /** Take in the domain's record; null where it is gone. */
  take(domain) {
    const first = this.#domain === null;
    this.#domain = domain;
    this.#read = true;
    this.update();
    if (first) this.#fill();
  }

  /** Something happens to the domain: what is shown of it is read again. */
  async follow() {
    const key = this.#key;
    if (FOLLOWS.includes(this.tabs.current)) this.#fill();
    try {
      const domain = await this.world.domains.read(key);
      if (this.#key === key) this.take(domain);
    } catch (problem) {
      if (this.#key === key) this.#read = true;
      if (problem.name !== "AbortError") complain("The domain cannot be read.", problem);
    }
  }

  /** Paint what the stores know now. */
  update() {
    const domain = this.#domain;
    if (domain === null) {
      this.title.textContent = this.#read ? "This domain is not there" : "Reading…";
      this.place.textContent = this.#key ?? "";
      this.buttons.replaceChildren();
      this.#shown = "";
      return;
    }
    const { hosts } = this.world;
    this.title.textContent = domain.name;
    this.place.replaceChildren(element("span", { class: `state ${domain.state}` }, domain.state),
      ` ${domain.reason === "unknown" ? "" : `(${domain.reason}) `}on ${domain.host}`);
    this.#paintButtons(domain);
    this.tabs.offer(Object.fromEntries(TABS
      .filter(([, , operation, permission]) => !operation
        || (operation in (hosts.get(domain.host)?.record.operations ?? {}) && api.may(permission)))
      .map(([name, title]) => [name, title])));
    if (["overview", "jobs"].includes(this.tabs.current)) this.#fill();
  }

  #paintButtons(domain) {
    const { hosts } = this.world;
    const actions = allowed().map((action) => [action, obstacle(action, domain, hosts)]);
    const painted = `${domain.host}/${domain.uuid} ${actions.map(([action, hindered]) => action.verb + hindered).join()}`;
    if (painted === this.#shown) return;
    this.#shown = painted;
    const focused = this.buttons.contains(document.activeElement) ? document.activeElement.dataset.verb : null;
    this.buttons.replaceChildren(...actions.map(([action, hindered]) => {
      const made = button(action.title, () => { if (this.#domain) perform(action, this.#domain, this.world); }, {
        class: action.danger ? "danger" : "", title: hindered || `Key ${action.key}`,
        "aria-disabled": hindered ? "true" : null, "aria-keyshortcuts": action.key,
      });
      made.dataset.verb = action.verb;
      return made;
    }));
    if (focused) this.buttons.querySelector(`[data-verb=${focused}]`)?.focus();
  }

  async #fill() {
    const domain = this.#domain;
    if (domain === null) {
      this.tabs.panel.replaceChildren();
      return;
    }
    this.#reading += 1;
    const turn = this.#reading;
    const tab = this.tabs.current;
    try {
      const content = await this[`_${tab}`](domain);
      if (turn === this.#reading && this.#key === `${domain.host}/${domain.uuid}`) this.#replace(content);
    } catch (problem) {
      if (turn === this.#reading) {
        this.#replace([element("p", { class: "fault", role: "alert" }, problem.message),
          problem.hint ? element("p", { class: "hint" }, problem.hint) : null]);
      }
    }
  }

  /** Put new content, if it is another, and the focus back where it was. */
  #replace(content) {
    const { panel } = this.tabs;
    const next = element("div", {}, content.flat().filter(Boolean));
    if (next.innerHTML === panel.innerHTML) return;
    const within = panel !== document.activeElement && panel.contains(document.activeElement);
    const name = within ? document.activeElement.getAttribute("aria-label") ?? document.activeElement.id : null;
    panel.replaceChildren(...next.children);
    if (!within) return;
    const again = [...panel.querySelectorAll("button, a")].find((one) => name
      && (one.getAttribute("aria-label") === name || one.id === name) && !one.disabled);
    (again ?? panel).focus();
  }

  _overview(domain) {
    const figures = this.world.figures.of(domain);
    const facts = [
      ["UUID", domain.uuid], ["Id", domain.id ?? ""], ["Family", domain.family], ["Project", domain.project],
      ["Processors", domain.vcpus], ["Memory", kibibytes(domain.memory)],
      ["Kept", domain.persistent ? "persistent" : "transient"], ["Starts with its host", domain.autostart ? "yes" : "no"],
      ["Labels", labels(domain.labels) || "none"], ["Being detached", domain.pending.map((mark) => mark.alias).join(", ") || "none"],
      ["Changed", time(domain.changed)],
    ];
    return [
      figures ? element("div", { class: "figures" }, line(figures.history, `Processor use: ${percent(figures.cpu)}`),
        element("dl", { class: "facts" }, pairs([
          ["Processor", percent(figures.cpu)], ["Memory used", kibibytes(figures.memory)],
          ["Disks read", per(figures.read)], ["Disks written", per(figures.written)],
          ["Received", per(figures.received)], ["Sent", per(figures.sent)],
        ]))) : null,
      element("dl", { class: "facts" }, pairs(facts)),
    ];
  }

  async _devices(domain) {
    const { devices } = await api.get(`${addressOf(domain)}/devices`);
    return deviceList(domain, devices, this.world);
  }

  async _xml(domain) {
    const xml = await api.get(`${addressOf(domain)}/xml`, {}, { as: "text", accept: "application/xml" });
    const copy = button("Copy", async () => { await navigator.clipboard.writeText(xml); }, { class: "small", id: "copy" });
    return [navigator.clipboard ? element("p", {}, copy) : null,
      element("pre", { class: "xml", tabIndex: 0, role: "region", "aria-label": "The domain's XML" }, xml)];
  }

  _jobs(domain) {
    const { jobs } = this.world;
    const found = jobs.of(domain);
    return [found.length ? element("ul", { class: "jobs" }, found.map((job) => jobItem(job, jobs)))
      : element("p", {}, "No job of this domain is remembered.")];
  }

  async _snapshots(domain) {
    const { snapshots } = await api.get(`${addressOf(domain)}/snapshots`);
    const { jobs } = this.world;
    const take = api.may("domain:snapshot") ? element("p", {}, button("Take a snapshot",
      () => request(`Snapshot of ${domain.name}`, jobs, () => api.change("POST", `${addressOf(domain)}/snapshots`)),
      { id: "snapshot" })) : null;
    return [take, snapshots.length ? element("ul", { class: "devices" }, snapshots.map((one) => element("li", { class: "device" },
      element("span", { class: "alias" }, one.name),
      element("span", { class: "what" }, [one.description, one.memory ? "with memory" : "disks only"].filter(Boolean).join(", ")),
      element("span", { class: "kind" }, time(one.created)),
      one.current ? element("span", { class: "mark" }, "current") : null)))
      : element("p", {}, "It has no snapshots.")];
  }

  async _screen(domain) {
    const blob = await api.get(`${addressOf(domain)}/screenshot`, {}, { as: "blob", accept: "image/png" });
    this.#forgetPicture();
    this.#picture = URL.createObjectURL(blob);
    return [element("p", {}, button("Take it again", () => this.#fill(), { id: "again", class: "small" })),
      element("img", { class: "screen", src: this.#picture, alt: `The screen of ${domain.name}` })];
  }

  #forgetPicture() {
    if (this.#picture) URL.revokeObjectURL(this.#picture);
    this.#picture = "";
  }
}

/** Facts that take a line of their own. */
const LONG = new Set(["UUID", "Labels"]);
const per = (rate) => (Number.isFinite(rate) ? `${bytes(rate)}/s` : "");
const pairs = (facts) => facts.flatMap(([name, value]) => element("div", { class: LONG.has(name) ? "long" : null },
  element("dt", {}, name), element("dd", {}, String(value))));
