// Making elements without markup in strings: what comes from the API is always text, never HTML.

/**
 * An element with attributes, properties and children.
 *
 * `on` holds listeners by event, `class` and whatever has a dash or is no property goes in as an attribute; null,
 * undefined and false leave an attribute out.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (name in made && !name.startsWith("aria") && name !== "role") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** The element of an id. */
export const byId = (id) => document.getElementById(id);

/** A button; `run` is called when it is pressed. */
export function button(text, run, attributes = {}) {
  return element("button", { type: "button", on: { click: run }, ...attributes }, text);
}

let announcing = 0;

/** Say something to who listens instead of looking; the latest wins. */
export function announce(text) {
  clearTimeout(announcing);
  announcing = setTimeout(() => { byId("announcer").textContent = text; }, 100);
}
