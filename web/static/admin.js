// Small behaviours that HTML has no attribute for. Everything here only adds comfort: without it every
// link and form still works.

const POLL_MS = 3000;
const TOAST_MS = 8000;

// One element asks for news only while someone can see it and nobody is reading it.
function isBeingRead(element) {
  return element.matches(":hover, :active") || element.contains(document.activeElement);
}

// News that arrives after somebody began to read would take a link away from under the pointer.
function keepWhatIsRead(event) {
  if (event.target.matches?.("[data-live]") && isBeingRead(event.target)) event.detail.shouldSwap = false;
}

function pollLiveElements() {
  for (const element of document.querySelectorAll("[data-live]")) {
    const paused = document.hidden || isBeingRead(element);
    document.querySelector(`[data-live-state="${element.id}"]`)?.toggleAttribute("data-paused", paused);
    if (!paused) htmx.trigger(element, "live");
  }
}

function focusSearch(event) {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  document.getElementById("search")?.focus();
}

// Only after sending: whoever is on another input, or on a button that edits, stays there.
function focusFirstError(scope) {
  const active = document.activeElement;
  const sends = active?.matches("button") && (active.name !== "act" || active.value === "save");
  if (active && active !== document.body && !sends) return;
  scope.querySelector?.("[aria-invalid=true]")?.focus();
}

// The browser knows its time zone, and does not send it.
function chooseOwnTimezone() {
  const choice = document.querySelector("[data-own-timezone] select");
  if (!choice || choice.value) return;
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...choice.options].some((option) => option.value === own)) choice.value = own;
}

function chooseTheme(event) {
  const button = event.target.closest("[data-choose-theme]");
  if (!button) return;
  document.documentElement.dataset.theme = button.value;
  for (const other of document.querySelectorAll("[data-choose-theme]")) {
    other.setAttribute("aria-pressed", String(other === button));
  }
  document.dispatchEvent(new Event("theme:chosen"));
}

function openRow(event) {
  const row = event.target.closest("tr[data-href]");
  if (!row || event.target.closest("a, button, input, label, summary")) return;
  if (getSelection()?.toString()) return;
  location.assign(row.dataset.href);
}

// Choosing is enough where a choice only changes what is looked at.
function submitChoice(event) {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
}

// From a mistake to its line in the text that it stands in.
function selectLine(event) {
  const button = event.target.closest("[data-line]");
  if (!button) return;
  const area = document.getElementById(button.dataset.in);
  const lines = area.value.split("\n");
  const line = Number(button.dataset.line) - 1;
  const start = lines.slice(0, line).reduce((length, text) => length + text.length + 1, 0);
  area.focus();
  area.setSelectionRange(start, start + (lines[line]?.length ?? 0));
}

async function copyText(event) {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard?.writeText(button.dataset.copy);
  const label = button.querySelector("[data-copy-label]");
  if (label) label.textContent = "Copied";
}

// On a phone the tabs are wider than the screen.
function showCurrentTab() {
  document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}

function dismissToasts(scope) {
  for (const toast of scope.querySelectorAll?.(".toast-note:not([data-timed])") ?? []) {
    toast.dataset.timed = "";
    const leave = () => (isBeingRead(toast) ? setTimeout(leave, 2000) : toast.remove());
    setTimeout(leave, TOAST_MS);
  }
}

// The server says in a toast why it refused; an answer from between says nothing of ours.
function hasReason(event) {
  return event.detail.xhr?.getResponseHeader("HX-Retarget") === "#toasts";
}

function showReason(event) {
  if (hasReason(event) && !event.detail.requestConfig.elt.matches("[data-live]")) event.detail.shouldSwap = true;
}

function tellFailure(event) {
  if (hasReason(event) || event.target.matches?.("[data-live]")) return;
  const template = document.getElementById("failure-toast");
  document.getElementById("toasts")?.replaceChildren(template.content.cloneNode(true));
}

document.addEventListener("keydown", focusSearch);
document.addEventListener("click", chooseTheme);
document.addEventListener("click", openRow);
document.addEventListener("click", copyText);
document.addEventListener("click", selectLine);
document.addEventListener("change", submitChoice);
document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast-note")?.remove());
document.addEventListener("htmx:afterSettle", (event) => {
  focusFirstError(event.target);
  dismissToasts(document);
});
document.addEventListener("htmx:beforeSwap", keepWhatIsRead);
document.addEventListener("htmx:beforeSwap", showReason);
document.addEventListener("htmx:responseError", tellFailure);
document.addEventListener("htmx:sendError", tellFailure);
setInterval(pollLiveElements, POLL_MS);
focusFirstError(document);
dismissToasts(document);
showCurrentTab();
chooseOwnTimezone();
