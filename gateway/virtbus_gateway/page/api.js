// The gateway's HTTP API: requests with the session's token, its problem documents as errors.

const KEPT = "virtbus-token";
/** Milliseconds that an answer may take; the longest query of the API has 60 s, and waits are never asked for. */
const LIMIT = 60_000;
/** Milliseconds before a request without an answer is sent again. */
const PAUSES = [100, 500];

/** What was refused or went wrong; `hint` says what the reader can do. */
export class Problem extends Error {
  constructor(status, document = {}) {
    super(document.detail ?? document.message ?? `the gateway answered ${status}`);
    this.status = status;
    this.title = document.title ?? "";
    this.hint = document.hint ?? "";
    this.code = document.code_name ?? "";
  }
}

/** The problem of an answer that is none of success. */
export async function problemOf(response) {
  let document = {};
  try {
    document = await response.json();
  } catch {
    document = { detail: `the gateway answered ${response.status} ${response.statusText}` };
  }
  return new Problem(response.status, document);
}

/** The API, spoken with one token. Fires `unauthenticated` when the token is not good any more. */
class Api extends EventTarget {
  #token = sessionStorage.getItem(KEPT) ?? "";
  #session = new AbortController();

  /** Who the token is: `name`, `role`, `permissions` as globs. */
  principal = null;

  get signedIn() {
    return this.#token !== "";
  }

  /** Take a token, if the gateway knows it; it is kept for this tab only. */
  async signIn(token) {
    this.#token = token;
    this.principal = await this.get("/v1/whoami");
    sessionStorage.setItem(KEPT, token);
  }

  /** Forget the token; what is still asked with it is given up. */
  signOut() {
    this.#session.abort();
    this.#session = new AbortController();
    this.#token = "";
    this.principal = null;
    sessionStorage.removeItem(KEPT);
  }

  /** Sign in again with the token that this tab has kept. */
  resume() {
    return this.signIn(this.#token);
  }

  /** Whether the role grants a permission; the gateway decides all the same. */
  may(permission) {
    const granted = this.principal?.permissions ?? [];
    return granted.some((held) => held === "*" || held === permission
      || (held.startsWith("*:") && permission.endsWith(held.slice(1)))
      || (held.endsWith(":*") && permission.startsWith(held.slice(0, -1))));
  }

  /** The headers of every request. */
  headers(more = {}) {
    return { Authorization: `Bearer ${this.#token}`, ...more };
  }

  /** The answer of a GET: JSON, unless `as` names another reading of it (`text`, `blob`). */
  async get(path, query = {}, { as = "json", accept = "application/json", signal } = {}) {
    const response = await this.#send(path, query, { headers: this.headers({ Accept: accept }), signal });
    return response[as]();
  }

  /** Ask for a change: the record of its job. The key makes repeats, after a lost answer, safe. */
  async change(method, path, { query = {}, xml } = {}) {
    const headers = this.headers({ "Idempotency-Key": key() });
    if (xml !== undefined) headers["Content-Type"] = "application/xml";
    return (await this.#send(path, query, { method, headers, body: xml })).json();
  }

  async #send(path, query, options) {
    const words = Object.entries(query).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
    const asked = new URLSearchParams(words.filter(([, value]) => value !== undefined && value !== null && value !== ""));
    if (!this.#token) throw new DOMException("signed out", "AbortError");
    const given = AbortSignal.any([this.#session.signal, ...(options.signal ? [options.signal] : [])]);
    const signal = AbortSignal.any([given, AbortSignal.timeout(LIMIT)]);
    const response = await repeated(asked.size ? `${path}?${asked}` : path, { cache: "no-store", ...options, signal }, given);
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (problem.status === 401) this.dispatchEvent(new CustomEvent("unauthenticated", { detail: problem }));
    throw problem;
  }
}

/** Fetch, and again after each pause where no answer comes: a browser gives up what is under way when a network changes. */
async function repeated(address, options, given) {
  for (const pause of [...PAUSES, null]) {
    try {
      return await fetch(address, options);
    } catch (error) {
      if (given.aborted) throw error;
      if (pause === null || options.signal.aborted) break;
      await new Promise((resolve) => { setTimeout(resolve, pause); });
    }
  }
  throw new Problem(0, { detail: "the gateway cannot be reached", hint: "try again once it is" });
}

/** A key that no other request has; `randomUUID` is only there where the page comes over TLS or from loopback. */
function key() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const api = new Api();

/** The address of a domain. */
export const addressOf = (domain) => `/v1/hosts/${encodeURIComponent(domain.host)}/domains/${domain.uuid}`;
