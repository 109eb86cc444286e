// How a job is shown: in a list, and by itself with its progress, its error and the way to cancel it.

import { api } from "./api.js";
import { ask } from "./dialogs.js";
import { button, element } from "./element.js";
import { doing, hasEnded } from "./jobs.js";
import { complain } from "./notices.js";
import { duration, time } from "./words.js";

/** How far a job has come, as a bar: filled where the end is known, else moving. */
export function bar(job) {
  const { done, total } = job.progress ?? {};
  const made = element("progress", { "aria-label": `Progress of ${job.operation}` });
  if (total) {
    made.max = total;
    made.value = done ?? 0;
  }
  return made;
}

/** A job among others of its domain. */
export function jobItem(job, jobs) {
  const ended = hasEnded(job);
  return element("li", { class: "job" },
    button(job.operation, () => showJob(job.id, jobs), { class: "quiet name", "aria-label": `Job ${job.operation}, ${job.state}`, "aria-haspopup": "dialog" }),
    element("span", { class: `state ${job.state}` }, job.state),
    element("span", { class: "when" }, time(job.accepted)),
    ended ? null : bar(job),
    element("span", { class: "what" }, doing(job)),
    !ended && api.may("job:cancel") ? button("Cancel", () => cancel(job, jobs), {
      "aria-label": `Cancel ${job.operation}`, class: "small", disabled: job.cancel_requested !== null,
    }) : null);
}

/** Show a job as it goes on, until the dialog is closed. */
export async function showJob(id, jobs) {
  const content = element("div", { class: "job-alone" });
  const stop = button("Cancel the job", () => { const job = jobs.get(id); if (job) cancel(job, jobs); }, { class: "danger" });
  const paint = () => {
    const job = jobs.get(id);
    if (job === undefined) return;
    const facts = [
      ["State", job.state], ["Host", job.host], ["Domain", job.domain ?? ""], ["Asked by", job.principal],
      ["Accepted", time(job.accepted)], ["Takes", duration(job.accepted, job.ended)],
      ["Time limit", `${job.timeout} s`], ["Job", job.id],
    ];
    content.replaceChildren(
      element("dl", { class: "facts" }, facts.filter(([, value]) => value !== "").map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
      hasEnded(job) ? "" : bar(job),
      element("p", { class: job.error ? "fault" : "", role: "status" }, doing(job)),
      job.error?.hint ? element("p", { class: "hint" }, job.error.hint) : "");
    stop.hidden = hasEnded(job) || !api.may("job:cancel");
    stop.disabled = job.cancel_requested !== null;
  };
  paint();
  jobs.addEventListener("change", paint);
  await ask(jobs.get(id)?.operation ?? "Job", [content, stop], { closed: () => jobs.removeEventListener("change", paint) });
}

async function cancel(job, jobs) {
  try {
    await jobs.cancel(job.id);
  } catch (problem) {
    complain(`Cancel ${job.operation}`, problem);
  }
}
