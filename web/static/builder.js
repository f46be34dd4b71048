// Enhance the rule builder: send what is typed after a pause, drag rows, undo by key, and restore unsaved text when
// the page is reloaded. Every button works without this script.

const PAUSE_MS = 350;
const SLOW_MS = 800;
const form = document.getElementById("rule-form");
const storageKey = `rule:${location.pathname}${location.search}`;
let waiting = 0;
let byKeys = false;
let selection = null;

function send() {
  clearTimeout(waiting);
  waiting = 0;
  htmx.trigger(form, "edited");
}

function sendAfter(ms) {
  clearTimeout(waiting);
  waiting = setTimeout(send, ms);
}

// Text in an "add" field is sent on Enter or when an offered option is chosen; any other text as it is typed.
function onInput(event) {
  const input = event.target;
  if (input.form !== form) return;
  if (input.matches("[data-add]")) {
    const offered = [...(input.list?.options ?? [])].some((option) => option.value === input.value);
    if (offered && !event.inputType?.startsWith("insertText")) send();
  } else if (input.matches("select") && byKeys) {
    // Arrow keys pass through options, and letters jump to an option: wait for the last.
    sendAfter(SLOW_MS);
  } else if (input.matches("select, [type=checkbox]")) {
    send();
  } else {
    sendAfter(input.matches("[data-slow]") ? SLOW_MS : PAUSE_MS);
  }
}

function onChange(event) {
  const input = event.target;
  if (input.form !== form || input.matches("select")) return;
  if (waiting || (input.matches("[data-add]") && input.value)) send();
}

function onFocusOut(event) {
  if (waiting && event.target.matches("select") && event.target.form === form) send();
}

// Read the pressed button from the event: a button that merely has the focus when typed text is sent was not pressed.
function setAction(event) {
  if (event.target !== form) return;
  const submitter = event.detail.triggeringEvent?.submitter;
  event.detail.parameters.act = submitter?.value ?? "typed";
  if (submitter) {
    clearTimeout(waiting);
    waiting = 0;
  }
}

// What is being typed is newer than an answer to what was typed before; the next answer covers both.
function onBeforeSwap(event) {
  if (event.detail.elt === form && waiting && event.detail.requestConfig.parameters.act === "typed") {
    event.detail.shouldSwap = false;
    return;
  }
  const element = document.activeElement;
  if (event.detail.elt !== form || !isText(element) || element.selectionStart === null) return;
  selection = { id: element.id, range: [element.selectionStart, element.selectionEnd, element.selectionDirection] };
}

// An answer replaces the focused text field, which loses its selection.
function restoreSelection() {
  const element = document.activeElement;
  if (selection && element.id === selection.id) element.setSelectionRange(...selection.range);
  selection = null;
}

function isText(element) {
  return element?.matches?.("textarea, input:not([type=checkbox])");
}

function onKey(event) {
  byKeys = true;
  const letter = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && letter === "enter") clickButton("rule-save", event);
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !isText(event.target)) {
    if (letter === "z" && !event.shiftKey) clickButton("rule-undo", event);
    if (letter === "y" || (letter === "z" && event.shiftKey)) clickButton("rule-redo", event);
  }
  if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    const part = event.target.closest?.("[data-part]");
    const button = part?.querySelector(`[value="${event.key === "ArrowUp" ? "up" : "down"}:${part.dataset.part}"]`);
    if (button) {
      event.preventDefault();
      button.form.requestSubmit(button);
    }
  }
  if (event.key === "Escape") closeMenus(null);
}

function clickButton(id, event) {
  const button = document.getElementById(id);
  if (!button) return;
  event.preventDefault();
  if (button.getAttribute("aria-disabled") !== "true") form.requestSubmit(button);
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (menu === except) continue;
    if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
    menu.open = false;
  }
}

// Drag a row by its grip; drop it before the row, group or end of a group under the pointer.
let dragged = null;

function startDrag(event) {
  byKeys = false;
  const grip = event.target.closest("[data-grip]");
  if (!grip || event.button !== 0) return;
  event.preventDefault();
  dragged = grip.closest("[data-part]");
  dragged.classList.add("dragged");
}

function dropTarget(event) {
  const under = document.elementFromPoint(event.clientX, event.clientY)?.closest?.("#rule-builder [data-part], #rule-builder [data-end]");
  if (!under || dragged.contains(under)) return null;
  return under.dataset.part === "c" || under.dataset.part?.startsWith("e") ? null : under;
}

function drag(event) {
  if (!dragged) return;
  const target = dropTarget(event);
  for (const other of document.querySelectorAll(".drop-before")) other.classList.toggle("drop-before", other === target);
  target?.classList.add("drop-before");
}

function drop(event) {
  if (!dragged) return;
  const target = dropTarget(event);
  dragged.classList.remove("dragged");
  if (target) submitAction(`move:${dragged.dataset.part}>${target.dataset.part ?? target.dataset.end}`);
  for (const other of document.querySelectorAll(".drop-before")) other.classList.remove("drop-before");
  dragged = null;
}

function submitAction(value) {
  const button = Object.assign(document.createElement("button"), { name: "act", value, hidden: true });
  form.append(button);
  form.requestSubmit(button);
  button.remove();
}

// Store unsaved text, so that it survives a reload of this tab.
const STORED = ["name", "priority", "active_from", "active_to", "tags", "notes", "when", "effects", "history", "version"];

function store() {
  const texts = Object.fromEntries(STORED.map((name) => [name, form.elements[name]?.value ?? ""]));
  texts.enabled = form.elements.enabled?.checked ?? false;
  sessionStorage.setItem(storageKey, JSON.stringify(texts));
}

// Where the session ended while saving, the text is there again after the log-in.
const resumeKey = `${storageKey} resumes`;

function clearStored() {
  sessionStorage.removeItem(storageKey);
}

function isEdited(name) {
  const element = form.elements[name];
  return isText(element) && element.value !== element.defaultValue;
}

function restore() {
  const texts = JSON.parse(sessionStorage.getItem(storageKey) ?? "null");
  const opened = performance.getEntriesByType("navigation")[0]?.type;
  const resumes = sessionStorage.getItem(resumeKey) !== null;
  sessionStorage.removeItem(resumeKey);
  if (!texts || (opened === "navigate" && !resumes)) {
    clearStored();
    // No listener has seen what was typed before this script ran.
    if (STORED.some(isEdited)) send();
    return;
  }
  for (const name of STORED) if (form.elements[name] && name in texts) form.elements[name].value = texts[name];
  if (form.elements.enabled) form.elements.enabled.checked = texts.enabled;
  send();
  if (resumes) document.dispatchEvent(new Event("form:kept"));
}

function onAnswer(event) {
  if (event.detail.elt !== form) return;
  const leaves = event.detail.xhr.getResponseHeader("HX-Redirect");
  if (event.detail.xhr.getResponseHeader("X-Interrupted")) {
    store();
    sessionStorage.setItem(resumeKey, "");
  } else if (leaves || document.querySelector("#rule-foot .saved")) clearStored();
  else store();
}

if (form) {
  document.documentElement.classList.add("scripted");
  document.addEventListener("input", onInput);
  document.addEventListener("change", onChange);
  document.addEventListener("focusout", onFocusOut);
  document.addEventListener("keydown", onKey);
  document.addEventListener("htmx:configRequest", setAction);
  document.addEventListener("htmx:beforeSwap", onBeforeSwap);
  document.addEventListener("htmx:afterRequest", onAnswer);
  document.addEventListener("htmx:afterOnLoad", restoreSelection);
  document.addEventListener("pointerdown", startDrag);
  document.addEventListener("pointermove", drag);
  document.addEventListener("pointerup", drop);
  document.addEventListener("click", (event) => {
    closeMenus(event.target.closest("[data-menu]"));
    if (event.target.closest("[data-leaves]")) clearStored();
  });
  const name = document.getElementById("field-name");
  if (document.activeElement === document.body && name && !name.value) name.focus();
  // Not before htmx has seen the form.
  addEventListener("load", restore);
}
