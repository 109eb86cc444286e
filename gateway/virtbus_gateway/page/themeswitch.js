// Light, dark, or as the system has it; kept on this machine.

import { element } from "./element.js";

const KEPT = "virtbus-theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" };
const SHOWN = { auto: ["◐", "Auto"], light: ["☀", "Light"], dark: ["☾", "Dark"] };

/** Have a button go through the three. */
export function setUpTheme(button) {
  const paint = () => {
    const theme = document.documentElement.dataset.theme ?? "auto";
    const [sign, word] = SHOWN[theme];
    button.replaceChildren(`${sign} `, element("span", { class: "word" }, word));
    button.setAttribute("aria-label", `Theme: ${theme}. Change to ${NEXT[theme]}`);
  };
  button.addEventListener("click", () => {
    const next = NEXT[document.documentElement.dataset.theme ?? "auto"];
    if (next === "auto") {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem(KEPT);
    } else {
      document.documentElement.dataset.theme = next;
      localStorage.setItem(KEPT, next);
    }
    paint();
  });
  paint();
}
