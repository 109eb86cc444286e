// What can be done with a domain: a table, and the one way in which it is done.

import { addressOf, api } from "./api.js";
import { ask } from "./dialogs.js";
import { announce, element } from "./element.js";
import { complain } from "./notices.js";
import { isActive } from "./domains.js";

const isRunning = (domain) => domain.state === "running" || domain.state === "blocked";
const isPaused = (domain) => domain.state === "paused";

/**
 * `verb` is the end of the operation's name, as docs/operations.md has it with its `permission`; `fits` says in which
 * states it makes sense, `warning` what is asked before it is done, `key` its letter.
 */
export const ACTIONS = [
  { verb: "start", title: "Start", key: "s", permission: "domain:start", fits: (domain) => !isActive(domain) },
  { verb: "shutdown", title: "Shut down", key: "d", permission: "domain:start", fits: isRunning },
  { verb: "reboot", title: "Reboot", key: "b", permission: "domain:start", fits: isRunning },
  { verb: "suspend", title: "Suspend", key: "p", permission: "domain:start", fits: isRunning },
  { verb: "resume", title: "Resume", key: "r", permission: "domain:start", fits: isPaused },
  {
    verb: "destroy", title: "Destroy", key: "x", permission: "domain:start", fits: isActive, danger: true,
    warning: "It is stopped at once, as if its power were cut. What its guest has not written is lost.",
  },
];

/** The actions that the role may do. */
export const allowed = () => ACTIONS.filter((action) => api.may(action.permission));

/** Why an action cannot be done with a domain now; empty if it can. */
export function obstacle(action, domain, hosts) {
  if (!hosts.offers(domain.host, `domain.${action.verb}`)) {
    return hosts.get(domain.host)?.served === false ? "no worker serves the host now" : "the host does not offer it";
  }
  return action.fits(domain) ? "" : `the domain is ${domain.state}`;
}

/** Do it, after asking where it is dangerous; its job goes to `jobs`. */
export async function perform(action, domain, { hosts, jobs }) {
  try {
    // Right after signing in the hosts may not be known yet.
    if (hosts.get(domain.host) === undefined) await hosts.load();
  } catch (problem) {
    complain(`${action.title} ${domain.name}`, problem);
    return;
  }
  const hindered = obstacle(action, domain, hosts);
  if (hindered) {
    announce(`${action.title} of ${domain.name} is not possible: ${hindered}`);
    return;
  }
  if (action.warning) {
    const question = element("p", {}, action.warning);
    if (!await ask(`${action.title} ${domain.name} on ${domain.host}?`, [question],
      { confirm: action.title, danger: action.danger })) return;
  }
  await request(`${action.title} ${domain.name}`, jobs, () => api.change("POST", `${addressOf(domain)}/${action.verb}`));
}

/** Ask for a change and follow its job; a refusal is shown. Gives whether it was accepted. */
export async function request(what, jobs, change) {
  try {
    announce(`${what}: asked`);
    jobs.own(await change());
    return true;
  } catch (problem) {
    complain(what, problem);
    return false;
  }
}
