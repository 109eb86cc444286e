// Figures and times as people read them, and globs as the gateway reads them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** A number of bytes. */
export function bytes(count) {
  if (!Number.isFinite(count)) return "";
  let unit = 0;
  while (count >= 1024 && unit < UNITS.length - 1) {
    count /= 1024;
    unit += 1;
  }
  return `${count >= 100 || Number.isInteger(count) ? Math.round(count) : count.toFixed(1)} ${UNITS[unit]}`;
}

/** A number of KiB, as records hold memory. */
export const kibibytes = (count) => bytes(count * 1024);

/** A share of 1. */
export const percent = (share) => (Number.isFinite(share) ? `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %` : "");

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** A time of an RFC 3339 text: the clock of today, else the day too. */
export function time(text) {
  if (!text) return "";
  const when = new Date(text);
  const clock = CLOCK.format(when);
  return when.toDateString() === new Date().toDateString() ? clock : `${DAY.format(when)}, ${clock}`;
}

/** How long something took, or has taken until now. */
export function duration(from, to) {
  const seconds = Math.max(0, (to ? new Date(to) : new Date()) - new Date(from)) / 1000;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  return seconds < 90 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds / 60)} min`;
}

/** Labels as `key=value`, in the order of their keys. */
export const labels = (held) => Object.entries(held ?? {}).sort().map((pair) => pair.join("=")).join(" ");

/** The regular expression of a glob, as fnmatch of the gateway reads it: `*`, `?`, `[seq]`, `[!seq]`. */
export function glob(pattern) {
  const source = pattern.replace(/\[(!?)([^\]]+)\]|[\s\S]/g, (piece, not, set) => {
    if (set !== undefined) return `[${not ? "^" : ""}${set.replace(/[\\^[\]]/g, "\\$&")}]`;
    if (piece === "*") return "[\\s\\S]*";
    return piece === "?" ? "[\\s\\S]" : piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  });
  return new RegExp(`^${source}$`);
}

/** What a name filter asks for: text without a wildcard is looked for anywhere in the name. */
export const pattern = (text) => (text === "" || /[*?[]/.test(text) ? text : `*${text}*`);
