// Jobs, the newest first: read page by page, and each that has not ended again every second until it has.

import { api } from "./api.js";

const PAGE = 100;
const AHEAD = 30;
const EVERY = 1_000;
const ENDS = ["succeeded", "failed", "cancelled", "expired"];

/** Whether a job has reached its one end. */
export const hasEnded = (job) => ENDS.includes(job.state);

/** What a job is doing, in a few words. */
export function doing(job) {
  if (hasEnded(job)) return job.error?.message ?? "";
  const { phase, done, total, unit } = job.progress ?? {};
  const share = total ? `${done ?? 0} of ${total}${unit ? ` ${unit}` : ""}` : "";
  return [job.cancel_requested ? "being cancelled" : phase, share].filter(Boolean).join(", ");
}

/** A source of grids. Fires `change`, `read` for each job that was read by itself, and `end` for a job of this page. */
export class Jobs extends EventTarget {
  #jobs = [];
  #cursor = null;
  #complete = false;
  #loading = false;
  #own = new Set();
  #touched = new Set();
  #timer = 0;
  #busy = false;

  get length() {
    return this.#jobs.length;
  }

  at(index) {
    return this.#jobs[index];
  }

  keyOf(job) {
    return job.id;
  }

  indexOf(id) {
    return this.#jobs.findIndex((job) => job.id === id);
  }

  get(id) {
    return this.#jobs[this.indexOf(id)];
  }

  /** The jobs of one domain among those that are loaded. */
  of(domain) {
    return this.#jobs.filter((job) => job.host === domain.host && job.domain === domain.uuid);
  }

  async load() {
    const page = await api.get("/v1/jobs", { limit: PAGE });
    this.#jobs = page.jobs;
    this.#after(page);
  }

  /** Read the jobs of one domain, which may be older than those that are loaded. */
  async loadOf(domain) {
    const page = await api.get("/v1/jobs", { host: domain.host, domain: domain.uuid, limit: PAGE });
    for (const job of page.jobs) this.#put(job);
    this.#changed();
  }

  sight(last, fault) {
    if (this.#complete || this.#loading || !this.#jobs.length || this.#jobs.length > last + AHEAD) return;
    this.#loading = true;
    api.get("/v1/jobs", { limit: PAGE, cursor: this.#cursor })
      .then((page) => { for (const job of page.jobs) this.#put(job); this.#after(page); })
      .catch(fault)
      .finally(() => { this.#loading = false; });
  }

  /** Take in the record of a job that this page asked for. */
  own(job) {
    this.#own.add(job.id);
    this.#take(job);
  }

  /** An event tells of a job. */
  touch(id) {
    this.#touched.add(id);
    this.#soon(50);
  }

  /** Ask for a job to be cancelled. */
  async cancel(id) {
    this.#take(await api.change("POST", `/v1/jobs/${id}/cancel`));
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#jobs = [];
    this.#own.clear();
    this.#touched.clear();
  }

  #after(page) {
    this.#cursor = page.cursor;
    this.#complete = page.cursor === null;
    this.#changed();
  }

  #take(job) {
    this.#put(job);
    this.#changed();
    this.dispatchEvent(new CustomEvent("read", { detail: job }));
    if (hasEnded(job) && this.#own.delete(job.id)) this.dispatchEvent(new CustomEvent("end", { detail: job }));
  }

  #put(job) {
    const index = this.indexOf(job.id);
    if (index >= 0) {
      this.#jobs[index] = job;
      return;
    }
    const older = this.#jobs.findIndex((one) => one.accepted < job.accepted);
    this.#jobs.splice(older < 0 ? this.#jobs.length : older, 0, job);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
    if (this.#jobs.some((job) => !hasEnded(job))) this.#soon(EVERY);
  }

  #soon(milliseconds) {
    if (this.#busy || this.#timer) return;
    this.#timer = setTimeout(() => this.#round(), milliseconds);
  }

  async #round() {
    this.#busy = true;
    this.#timer = 0;
    const due = [...new Set([...this.#touched, ...this.#jobs.filter((job) => !hasEnded(job)).map((job) => job.id)])];
    this.#touched.clear();
    try {
      for (const id of due) {
        try {
          this.#take(await api.get(`/v1/jobs/${id}`));
        } catch (problem) {
          // Gone by age, or of a project that the token does not reach; what cannot be reached now is asked again.
          if (![403, 404].includes(problem.status)) break;
        }
      }
    } finally {
      this.#busy = false;
      if (this.#touched.size || this.#jobs.some((job) => !hasEnded(job))) this.#soon(EVERY);
    }
  }
}
