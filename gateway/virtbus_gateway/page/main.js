// The page: signs in, keeps the stores current by the event stream, shows the view that the address names.

import { ACTIONS, allowed, perform } from "./actions.js";
import { api } from "./api.js";
import { ask, shortcuts, showShortcuts } from "./dialogs.js";
import { DomainPanel } from "./domain.js";
import { Domains, STATES } from "./domains.js";
import { announce, byId, element } from "./element.js";
import { Figures } from "./figures.js";
import { Hosts } from "./hosts.js";
import { Jobs } from "./jobs.js";
import { showJob } from "./jobview.js";
import { Log } from "./log.js";
import { clearNotices, complain, tell } from "./notices.js";
import { follow } from "./stream.js";
import { setUpTheme } from "./themeswitch.js";
import { makeGrids } from "./views.js";
import { pattern } from "./words.js";

const VIEWS = ["domains", "hosts", "jobs", "events"];
const hosts = new Hosts();
const domains = new Domains(hosts);
const figures = new Figures(hosts);
const jobs = new Jobs();
const log = new Log();
const world = { hosts, domains, figures, jobs, log };
let session = null;
let view = "domains";

const fault = (problem) => { if (problem?.name !== "AbortError" && problem?.status !== 401) complain("The fleet cannot be read.", problem); };
const panel = new DomainPanel(world, () => { location.hash = "#/domains"; });
const grids = makeGrids(world, fault, {
  domain: (domain) => { location.hash = `#/domains/${domain.host}/${domain.uuid}`; },
  host: (host) => { byId("filter-host").value = host.record.name; filter(); location.hash = "#/domains"; },
  job: (job) => showJob(job.id, jobs),
  event: (event) => ask(event.kind, [element("pre", { class: "xml", tabIndex: 0 }, JSON.stringify(event, null, 2))]),
}, () => panel.domain);

// ---- the session ----

/** Sign in with the token that the tab has, or ask for one. */
async function begin() {
  if (!api.signedIn) return entrance();
  try {
    await api.resume();
  } catch (problem) {
    if (problem.status === 401) return;
    entrance(problem);
    return;
  }
  enter();
}

/** Show the form that asks for a token. */
function entrance(problem) {
  leave();
  byId("entrance").hidden = false;
  byId("entrance-fault").textContent = problem ? [problem.message, problem.hint].filter(Boolean).join(" – ") : "";
  byId("token").focus();
}

function enter() {
  session = new AbortController();
  byId("entrance").hidden = true;
  for (const id of ["views", "link", "who", "leave"]) byId(id).hidden = false;
  byId("who").textContent = `${api.principal.name} (${api.principal.role})`;
  hosts.load().catch(fault);
  hosts.start(fault);
  figures.start();
  // The stream comes first, so that nothing can happen between it and the list.
  follow(take, connection, session.signal).catch((problem) => { connection("closed"); fault(problem); });
  domains.load(readFilter()).catch(fault);
  jobs.load().catch(fault);
  route();
}

function leave() {
  session?.abort();
  session = null;
  hosts.stop();
  figures.stop();
  jobs.stop();
  domains.clear();
  log.clear();
  panel.hide();
  clearNotices();
  for (const id of ["views", "link", "who", "leave", ...VIEWS.map((name) => `view-${name}`)]) byId(id).hidden = true;
}

byId("entrance-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await api.signIn(byId("token").value.trim());
    byId("token").value = "";
    enter();
    grids[view].root.focus();
  } catch (problem) {
    if (problem.status !== 401) entrance(problem);
  }
});
byId("leave").addEventListener("click", () => { api.signOut(); entrance(); });
api.addEventListener("unauthenticated", ({ detail }) => { api.signOut(); entrance(detail); });

// ---- what happens ----

function connection(state) {
  const words = { live: "live", waiting: "reconnecting…", closed: "no events" };
  byId("link").textContent = words[state];
  byId("link").dataset.state = state;
}

/** Take in events, in their order. */
function take(events) {
  log.add(events);
  for (const event of events) {
    if (event.kind === "gap") {
      domains.load().catch(fault);
      hosts.touch(fault);
      jobs.load().catch(fault);
      continue;
    }
    if (event.kind === "host" || event.kind === "lifecycle") hosts.touch(fault);
    const concerns = event.domain && `${event.host}/${event.domain}` === panel.key;
    if (event.kind === "job" && (concerns || view === "jobs" || jobs.get(event.detail.job))) jobs.touch(event.detail.job);
    domains.apply(event, fault);
    if (concerns) panel.follow();
  }
  grids.domains.refresh();
}

hosts.addEventListener("change", () => {
  byId("hosts-known").replaceChildren(...hosts.names.map((name) => element("option", { value: name })));
  grids.hosts.refresh();
  grids.domains.refresh();
  if (panel.key) panel.update();
});
domains.addEventListener("change", ({ detail }) => {
  grids.domains.refresh();
  count();
  if (panel.key && detail === panel.key && domains.get(detail)) panel.take(domains.get(detail));
});
domains.addEventListener("loaded", () => announce(byId("count").textContent));
figures.addEventListener("change", () => { grids.domains.refresh(); if (panel.key) panel.update(); });
jobs.addEventListener("change", () => { grids.jobs.refresh(); if (panel.key) panel.update(); });
// That a guest has been asked to let go of a device is told by no event, so it is looked for while the job goes on.
jobs.addEventListener("read", ({ detail: job }) => { if (`${job.host}/${job.domain}` === panel.key) panel.follow(); });
jobs.addEventListener("end", ({ detail: job }) => {
  const of = domains.get(`${job.host}/${job.domain}`)?.name ?? job.domain ?? job.host;
  if (job.state === "succeeded") tell(`${job.operation} of ${of} succeeded`);
  else complain(`${job.operation} of ${of} ${job.state}.`, job.error ?? { message: "" });
});
log.addEventListener("change", () => grids.events.refresh());

// ---- the filter ----

function readFilter() {
  return {
    name: pattern(byId("filter-name").value.trim()), state: byId("filter-state").value,
    host: byId("filter-host").value.trim(), label: byId("filter-label").value.trim(),
  };
}

let typing = 0;

function filter() {
  clearTimeout(typing);
  typing = setTimeout(async () => {
    const asked = readFilter();
    const unknown = asked.host !== "" && hosts.length > 0 && hosts.get(asked.host) === undefined;
    byId("filter-host").setAttribute("aria-invalid", unknown);
    if (unknown) return;
    try {
      await domains.load(asked);
      grids.domains.reset();
    } catch (problem) {
      fault(problem);
    }
  }, 150);
}

function count() {
  const some = Object.values(readFilter()).some(Boolean);
  const known = domains.complete ? domains.loaded : some ? `more than ${domains.loaded}` : domains.length;
  byId("count").textContent = `${known} ${domains.complete && domains.loaded === 1 ? "domain" : "domains"}`;
}

byId("filter-state").append(...STATES.map((state) => element("option", { value: state }, state)));
byId("filters").addEventListener("input", filter);
byId("filters").addEventListener("submit", (event) => event.preventDefault());

// ---- views and keys ----

function route() {
  if (session === null) return;
  const [name, host, uuid] = location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
  view = VIEWS.includes(name) ? name : "domains";
  for (const each of VIEWS) byId(`view-${each}`).hidden = each !== view;
  for (const link of byId("views").children) {
    if (link.hash === `#/${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${view[0].toUpperCase()}${view.slice(1)} – Virtbus`;
  if (view === "jobs") jobs.load().catch(fault);
  const had = panel.key;
  if (view === "domains" && host && uuid) {
    if (panel.key !== `${host}/${uuid}`) {
      panel.show(`${host}/${uuid}`);
      jobs.loadOf({ host, domain: uuid, uuid }).catch(fault);
      panel.title.focus();
      grids.domains.find(panel.key);
    }
  } else panel.hide();
  byId("view-domains").classList.toggle("with-domain", panel.key !== null);
  grids[view].refresh();
  if (had !== null && panel.key === null && view === "domains") grids.domains.root.focus();
}

window.addEventListener("hashchange", route);
byId("keys").addEventListener("click", help);
setUpTheme(byId("theme"));

function help() {
  return showShortcuts([
    ["↑ ↓ PageUp PageDown Home End", "move through a list"], ["Enter", "open the row"], ["Esc", "close the domain or a dialog"],
    ["/", "filter the domains"], ["1 2 3 4", "domains, hosts, jobs, events"], ["?", "this list"],
    ...ACTIONS.map((action) => [action.key, `${action.title.toLowerCase()} the domain${action.danger ? ", after a question" : ""}`]),
  ]);
}

/** The domain that a letter is for: the open one, if the focus is in it; else the row that the list is on. */
function concerned() {
  if (view !== "domains") return null;
  if (panel.domain && panel.root.contains(document.activeElement)) return panel.domain;
  return document.activeElement === grids.domains.root ? grids.domains.current : null;
}

document.addEventListener("keydown", (event) => {
  if (session === null || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && panel.key && !event.target.matches("input, select, textarea")) {
    location.hash = "#/domains";
    return;
  }
  if (!shortcuts.on || event.target.matches("input, select, textarea")) return;
  const run = shortcut(event.key);
  if (run) {
    event.preventDefault();
    run();
  }
});

function shortcut(key) {
  if (key === "?") return help;
  if (key === "/") return () => { location.hash = "#/domains"; byId("filter-name").focus(); };
  if (VIEWS[key - 1]) return () => { location.hash = `#/${VIEWS[key - 1]}`; route(); grids[VIEWS[key - 1]].root.focus(); };
  const action = allowed().find((one) => one.key === key);
  const domain = action && concerned();
  return domain && (() => perform(action, domain, world));
}

begin();
