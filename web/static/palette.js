// The command palette: Ctrl+K opens it, arrows choose, Enter goes there, Escape closes it.

const palette = document.getElementById("palette");
const input = document.getElementById("palette-input");

function options() {
  return [...palette.querySelectorAll("[role=option][data-href]")];
}

function choose(option) {
  for (const other of options()) other.setAttribute("aria-selected", String(other === option));
  if (option) input.setAttribute("aria-activedescendant", option.id);
  else input.removeAttribute("aria-activedescendant");
  option?.scrollIntoView({ block: "nearest" });
}

function chosen() {
  return options().find((option) => option.getAttribute("aria-selected") === "true");
}

function open() {
  if (palette.open) return;
  palette.showModal();
  input.value = "";
  input.focus();
  htmx.trigger(input, "open");
}

function move(step) {
  const all = options();
  if (all.length) choose(all[(all.indexOf(chosen()) + step + all.length) % all.length]);
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && !event.altKey && !event.shiftKey) {
    event.preventDefault();
    open();
  }
});
document.addEventListener("click", (event) => event.target.closest("[data-palette]") && open());

input?.addEventListener("keydown", (event) => {
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  if (event.key in steps) {
    event.preventDefault();
    move(steps[event.key]);
  } else if (event.key === "Enter") {
    event.preventDefault();
    const option = chosen();
    if (option) location.assign(option.dataset.href);
  }
});
palette?.addEventListener("click", (event) => {
  const option = event.target.closest("[role=option][data-href]");
  if (option) location.assign(option.dataset.href);
  else if (event.target === palette) palette.close();
});
palette?.addEventListener("htmx:afterSettle", () => choose(chosen()));
