// Light or dark before the first paint. A classic script, since modules run only when the page has been parsed.
"use strict";
{
  const chosen = localStorage.getItem("virtbus-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
