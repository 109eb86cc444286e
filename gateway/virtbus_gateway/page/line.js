// A small line of what was measured, between 0 and a little more than its highest value.

const WIDTH = 240;
const HEIGHT = 40;
const POINTS = 60;
const SVG = "http://www.w3.org/2000/svg";

/** The picture of a history of shares of 1; `label` says it in words. */
export function line(history, label) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  made.setAttribute("class", "line");
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", label);
  made.setAttribute("preserveAspectRatio", "none");
  const highest = Math.max(0.1, ...history) * 1.3;
  const points = history.map((share, index) => [
    ((POINTS - history.length + index) * WIDTH) / (POINTS - 1), HEIGHT - 2 - (share / highest) * (HEIGHT - 4),
  ].map((one) => one.toFixed(1)).join());
  // One point alone is no line yet.
  if (points.length === 1) points.unshift(`0,${points[0].split(",")[1]}`);
  const path = document.createElementNS(SVG, "polyline");
  path.setAttribute("points", points.join(" "));
  made.append(path);
  return made;
}
