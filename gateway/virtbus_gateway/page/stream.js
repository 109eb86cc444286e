// The event stream over fetch, since EventSource cannot send a token: parsed, resumed by its cursor, watched for silence.

import { api, problemOf } from "./api.js";

/** Milliseconds without a byte after which a connection counts as dead; the gateway says something every 15 s. */
const SILENCE = 45_000;
const LONGEST_PAUSE = 15_000;

/**
 * Follow the fleet's events until `signal` aborts.
 *
 * @param take called with the events of each chunk, in order
 * @param tell called with "live" or "waiting" as the connection comes and goes
 */
export async function follow(take, tell, signal) {
  const resume = { cursor: "", retry: 1000 };
  let failures = 0;
  while (!signal.aborted) {
    try {
      await once(resume, (events) => { failures = 0; take(events); }, () => { failures = 0; tell("live"); }, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401 || error.status === 403) throw error;
      failures += 1;
    }
    tell("waiting");
    await pause(Math.min(resume.retry * 2 ** Math.max(0, failures - 1), LONGEST_PAUSE), signal);
  }
}

/** One connection, until it ends. */
async function once(resume, take, connected, signal) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE);
  try {
    const headers = api.headers(resume.cursor ? { "Last-Event-ID": resume.cursor } : {});
    const response = await fetch("/v1/events", {
      headers, cache: "no-store", signal: AbortSignal.any([signal, silence.signal]),
    });
    if (!response.ok) throw await problemOf(response);
    connected();
    const parse = parser(resume);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE);
      const events = parse(value);
      if (events.length) take(events);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** A function that takes pieces of the stream and gives the events that they complete. */
export function parser(resume) {
  let rest = "";
  let data = "";
  let id = null;
  return (piece) => {
    const events = [];
    const lines = (rest + piece).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (id !== null) resume.cursor = id;
        if (data) events.push(JSON.parse(data));
        data = "";
        id = null;
      } else if (line.startsWith("data: ")) data += line.slice(6);
      else if (line.startsWith("id: ")) id = line.slice(4);
      else if (line.startsWith("retry: ")) resume.retry = Number(line.slice(7)) || resume.retry;
    }
    return events;
  };
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
