// What happened, for everybody: a refusal stays until it is put away, a success goes by itself.

import { announce, button, byId, element } from "./element.js";

const SHOWN = 6_000;
const MOST = 4;

/** Tell of a success. */
export function tell(text) {
  announce(text);
  const notice = put(element("div", { class: "notice" }, element("p", {}, text)));
  setTimeout(() => notice.remove(), SHOWN);
}

/** Tell of what was refused or went wrong, with what can be done. */
export function complain(what, { message, hint }) {
  const same = `${what}: ${message}`;
  for (const notice of byId("notices").children) if (notice.dataset.text === same) return;
  const notice = put(element("div", { class: "notice bad", role: "alert" },
    element("p", {}, element("strong", {}, what), " ", message),
    hint ? element("p", { class: "hint" }, hint) : null));
  notice.dataset.text = same;
  notice.append(button("Dismiss", () => notice.remove(), { class: "quiet", "aria-label": `Dismiss: ${what}` }));
}

/** Put everything away. */
export function clearNotices() {
  byId("notices").replaceChildren();
}

function put(notice) {
  const place = byId("notices");
  while (place.childElementCount >= MOST) place.firstElementChild.remove();
  place.append(notice);
  return notice;
}
