// Questions and answers in dialogs: the browser keeps the focus inside and gives it back afterwards.

import { button, element } from "./element.js";

let made = 0;

/**
 * Open a dialog and wait until it is closed: true if it was confirmed.
 *
 * @param content elements between title and buttons
 * @param confirm the confirming button's text; none makes it a dialog to be read
 * @param check called on confirming; the dialog stays open unless it resolves to true
 */
export function ask(title, content, { confirm, danger = false, check = async () => true, closed = () => {} } = {}) {
  made += 1;
  const heading = element("h2", { id: `dialog-title-${made}` }, title);
  const about = element("div", { id: `dialog-content-${made}`, class: "content" }, content);
  const yes = confirm
    ? element("button", { type: "submit", class: danger ? "strong danger" : "strong" }, confirm)
    : null;
  const no = button(confirm ? "Cancel" : "Close", () => dialog.close(), { autofocus: danger || !confirm });
  const form = element("form", { method: "dialog" }, heading, about, element("div", { class: "buttons" }, no, yes));
  const dialog = element("dialog", { "aria-labelledby": heading.id, "aria-describedby": danger ? about.id : null }, form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    let confirmed = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      yes.disabled = true;
      confirmed = await check();
      yes.disabled = false;
      if (confirmed) dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      closed();
      resolve(confirmed);
    });
    dialog.showModal();
  });
}

/** The switch of the shortcuts: WCAG 2.1.4 asks that single keys can be turned off. */
export const shortcuts = {
  get on() {
    return localStorage.getItem("virtbus-shortcuts") !== "off";
  },
  set on(on) {
    localStorage.setItem("virtbus-shortcuts", on ? "on" : "off");
  },
};

/** List the keys, and let them be turned off. `keys` are pairs of key and meaning. */
export function showShortcuts(keys) {
  const box = element("input", { type: "checkbox", id: "shortcuts-on", checked: shortcuts.on });
  box.addEventListener("change", () => { shortcuts.on = box.checked; });
  return ask("Keyboard shortcuts", [
    element("table", { class: "keys" }, element("tbody", {}, keys.map(([key, meaning]) => element("tr", {},
      element("th", { scope: "row" }, element("kbd", {}, key)), element("td", {}, meaning))))),
    element("p", {}, box, element("label", { for: "shortcuts-on", class: "beside" }, "Single letters are shortcuts")),
  ]);
}
