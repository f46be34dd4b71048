// Loaded before the page is painted: the server renders the chosen theme, only "system" is resolved here.
"use strict";
{
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = root.dataset.theme;
    root.dataset.bsTheme = chosen === "system" ? (dark.matches ? "dark" : "light") : chosen;
    document.dispatchEvent(new Event("theme:changed"));
  };
  dark.addEventListener("change", apply);
  document.addEventListener("theme:chosen", apply);
  apply();
}
