// The rule builder's comforts: typing is taken over after a pause, rows are dragged, undo has its key, and a
// reloaded page goes on where one was. Without it every button still works.

const PAUSE_MS = 350;
const SLOW_MS = 800;
const form = document.getElementById("rule-form");
const kept = `rule:${location.pathname}${location.search}`;
let waiting = 0;
let byKeys = false;

function take() {
  clearTimeout(waiting);
  waiting = 0;
  htmx.trigger(form, "edited");
}

function takeAfter(ms) {
  clearTimeout(waiting);
  waiting = setTimeout(take, ms);
}

// A text to be added is done with Enter, or by choosing one that is offered; everything else counts as it is typed.
function typed(event) {
  const input = event.target;
  if (input.form !== form) return;
  if (input.matches("[data-add]")) {
    const offered = [...(input.list?.options ?? [])].some((option) => option.value === input.value);
    if (offered && !event.inputType?.startsWith("insertText")) take();
  } else if (input.matches("select") && byKeys) {
    // One goes through the options with the arrows, or types the name of one.
    takeAfter(SLOW_MS);
  } else if (input.matches("select, [type=checkbox]")) {
    take();
  } else {
    takeAfter(input.matches("[data-slow]") ? SLOW_MS : PAUSE_MS);
  }
}

function changed(event) {
  const input = event.target;
  if (input.form !== form || input.matches("select")) return;
  if (waiting || (input.matches("[data-add]") && input.value)) take();
}

function left(event) {
  if (waiting && event.target.matches("select") && event.target.form === form) take();
}

// What was pressed is what the event says: a button that merely has the focus while typing is taken over was not.
function configure(event) {
  if (event.target !== form) return;
  const submitter = event.detail.triggeringEvent?.submitter;
  event.detail.parameters.act = submitter?.value ?? "typed";
  if (submitter) {
    clearTimeout(waiting);
    waiting = 0;
  }
}

// What is being typed is newer than an answer to what was typed before; the next answer covers both.
function beforeSwap(event) {
  if (event.detail.elt === form && waiting && event.detail.requestConfig.parameters.act === "typed") {
    event.detail.shouldSwap = false;
  }
}

function isText(element) {
  return element?.matches?.("textarea, input:not([type=checkbox])");
}

function keys(event) {
  byKeys = true;
  const letter = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !isText(event.target)) {
    if (letter === "z" && !event.shiftKey) press("rule-undo", event);
    if (letter === "y" || (letter === "z" && event.shiftKey)) press("rule-redo", event);
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

function press(id, event) {
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

// Dragging: a row is lifted by its grip and put before the row, group or end of a group under the pointer.
let lifted = null;

function lift(event) {
  byKeys = false;
  const grip = event.target.closest("[data-grip]");
  if (!grip || event.button !== 0) return;
  event.preventDefault();
  lifted = grip.closest("[data-part]");
  lifted.classList.add("dragged");
}

function placeUnder(event) {
  const under = document.elementFromPoint(event.clientX, event.clientY)?.closest?.("#rule-builder [data-part], #rule-builder [data-end]");
  if (!under || lifted.contains(under)) return null;
  return under.dataset.part === "c" || under.dataset.part?.startsWith("e") ? null : under;
}

function drag(event) {
  if (!lifted) return;
  const target = placeUnder(event);
  for (const other of document.querySelectorAll(".drop-before")) other.classList.toggle("drop-before", other === target);
  target?.classList.add("drop-before");
}

function drop(event) {
  if (!lifted) return;
  const target = placeUnder(event);
  lifted.classList.remove("dragged");
  if (target) act(`move:${lifted.dataset.part}>${target.dataset.part ?? target.dataset.end}`);
  for (const other of document.querySelectorAll(".drop-before")) other.classList.remove("drop-before");
  lifted = null;
}

function act(value) {
  const button = Object.assign(document.createElement("button"), { name: "act", value, hidden: true });
  form.append(button);
  form.requestSubmit(button);
  button.remove();
}

// What is not saved yet survives a reload of this tab.
const TEXTS = ["name", "priority", "active_from", "active_to", "tags", "notes", "when", "effects", "history", "version"];

function keep() {
  const texts = Object.fromEntries(TEXTS.map((name) => [name, form.elements[name]?.value ?? ""]));
  texts.enabled = form.elements.enabled?.checked ?? false;
  sessionStorage.setItem(kept, JSON.stringify(texts));
}

function forget() {
  sessionStorage.removeItem(kept);
}

function isTyped(name) {
  const element = form.elements[name];
  return isText(element) && element.value !== element.defaultValue;
}

function comeBack() {
  const texts = JSON.parse(sessionStorage.getItem(kept) ?? "null");
  const opened = performance.getEntriesByType("navigation")[0]?.type;
  if (!texts || opened === "navigate") {
    forget();
    // What was typed before this script ran was heard by nobody.
    if (TEXTS.some(isTyped)) take();
    return;
  }
  for (const name of TEXTS) if (form.elements[name] && name in texts) form.elements[name].value = texts[name];
  if (form.elements.enabled) form.elements.enabled.checked = texts.enabled;
  take();
}

function answered(event) {
  if (event.detail.elt !== form) return;
  const leaves = event.detail.xhr.getResponseHeader("HX-Redirect");
  if (leaves || document.querySelector("#rule-foot .saved")) forget();
  else keep();
}

if (form) {
  document.documentElement.classList.add("scripted");
  document.addEventListener("input", typed);
  document.addEventListener("change", changed);
  document.addEventListener("focusout", left);
  document.addEventListener("keydown", keys);
  document.addEventListener("htmx:configRequest", configure);
  document.addEventListener("htmx:beforeSwap", beforeSwap);
  document.addEventListener("htmx:afterRequest", answered);
  document.addEventListener("pointerdown", lift);
  document.addEventListener("pointermove", drag);
  document.addEventListener("pointerup", drop);
  document.addEventListener("click", (event) => {
    closeMenus(event.target.closest("[data-menu]"));
    if (event.target.closest("[data-leaves]")) forget();
  });
  // Not before htmx has seen the form.
  addEventListener("load", comeBack);
}
