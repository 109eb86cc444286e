// The grids: which columns each has, and what a cell shows.

import { byId, element } from "./element.js";
import { Grid } from "./grid.js";
import { doing, hasEnded } from "./jobs.js";
import { bar } from "./jobview.js";
import { told } from "./log.js";
import { duration, kibibytes, labels, percent, time } from "./words.js";

/** Paints a state: a dot and the word. */
const state = (word) => (cell) => {
  if (cell.last === word) return;
  cell.last = word;
  cell.element.replaceChildren(element("span", { class: `state ${word}` }, word));
};

/** Paints how far a job has come. */
const progress = (job) => (cell) => {
  const shown = hasEnded(job) ? doing(job) : JSON.stringify([job.progress, job.cancel_requested]);
  if (cell.last === shown) return;
  cell.last = shown;
  cell.element.title = doing(job);
  cell.element.replaceChildren(...(hasEnded(job) ? [doing(job)] : [bar(job), ` ${doing(job)}`]));
};

function column(title, name, cell) {
  return { title, class: name, cell };
}

/** The four grids. `open` says what a row does, `chosen` which domain is open. */
export function makeGrids(world, fault, open, chosen) {
  const { hosts, domains, figures, jobs, log } = world;
  return {
    domains: new Grid(byId("domains"), {
      label: "Domains", source: domains, open: open.domain,
      empty: () => (domains.complete ? "No domain fits." : "Reading…"),
      sight: (first, last) => {
        domains.sight(first, last, fault);
        const seen = [];
        for (let index = first; index < last; index += 1) if (domains.at(index)) seen.push(domains.at(index));
        figures.want(seen, chosen());
      },
      columns: [
        column("State", "state-cell", (domain) => state(domain.state)),
        column("Name", "name", (domain) => domain.name),
        column("Host", "host", (domain) => domain.host),
        column("CPUs", "number vcpus", (domain) => String(domain.vcpus || "")),
        column("CPU use", "number cpu", (domain) => percent(figures.of(domain)?.cpu)),
        column("Memory", "number memory", (domain) => (domain.memory ? kibibytes(domain.memory) : "")),
        column("Used", "number used", (domain) => kibibytes(figures.of(domain)?.memory)),
        column("Labels", "labels", (domain) => labels(domain.labels)),
      ],
    }),
    hosts: new Grid(byId("hosts"), {
      label: "Hosts", source: hosts, open: open.host, empty: () => "No host is in the fleet.",
      columns: [
        column("State", "state-cell", (host) => state(host.served ? "served" : "unserved")),
        column("Name", "name", (host) => host.record.name),
        column("Family", "family", (host) => host.record.family),
        column("Hypervisor", "version", (host) => host.record.version),
        column("Running", "number active-count", (host) => String(host.running)),
        column("Domains", "number domains", (host) => String(host.domains)),
        column("Last seen", "when", (host) => time(host.last_seen)),
        column("URI", "uri", (host) => host.record.uri),
      ],
    }),
    jobs: new Grid(byId("jobs"), {
      label: "Jobs", source: jobs, open: open.job, empty: () => "No job is remembered.",
      sight: (first, last) => jobs.sight(last, fault),
      columns: [
        column("State", "state-cell", (job) => state(job.state)),
        column("Operation", "name", (job) => job.operation),
        column("Domain", "domain-name", (job) => domains.get(`${job.host}/${job.domain}`)?.name ?? job.domain ?? ""),
        column("Host", "host", (job) => job.host),
        column("Asked by", "principal", (job) => job.principal),
        column("Accepted", "when", (job) => time(job.accepted)),
        column("Takes", "number takes", (job) => duration(job.accepted, job.ended)),
        column("Progress", "progress", progress),
      ],
    }),
    events: new Grid(byId("events"), {
      label: "Events", source: log, open: open.event, empty: () => "Nothing has happened since this page was opened.",
      columns: [
        column("Time", "when", (event) => time(event.time)),
        column("Kind", "name", (event) => event.kind),
        column("Host", "host", (event) => event.host ?? ""),
        column("Domain", "domain-name", (event) => event.name ?? ""),
        column("What", "what", told),
      ],
    }),
  };
}
