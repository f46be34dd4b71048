// Forms are sent once, and what was typed survives the end of a session: it is kept while a form is sent, and there
// again after the log-in. The rule builder (builder.js) keeps its own text.

const FORMS = "main form[method=post]:not([data-builder])";
const KEPT = "kept forms";
const SENDING_MS = 10_000;
const TYPED = "input:not([type=hidden]), select, textarea";
const UNKEPT = "[type=password], [type=file]";

// A second click while the first is on its way would do it twice.
function sendOnce(event) {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("form[method=post]")) return;
  if ("sending" in form.dataset) {
    event.preventDefault();
    return;
  }
  form.dataset.sending = "";
  setTimeout(() => delete form.dataset.sending, SENDING_MS);
  if (isBetween()) return;
  if (form.matches(FORMS)) keep(form);
  else drop();
}

// The browser may show a page again as it was left.
function allowSending() {
  for (const form of document.querySelectorAll("form[data-sending]")) delete form.dataset.sending;
  for (const button of document.querySelectorAll("[data-disabled-by-htmx]")) button.disabled = false;
}

// The log-in, and pages of errors, stand between a form and its page.
function isBetween() {
  return document.querySelector("[data-interrupts]") !== null;
}

function addressOf(form) {
  return form.getAttribute("action") ?? location.pathname;
}

// Several forms of a page may have the same address.
function formsOf(address) {
  return [...document.querySelectorAll(FORMS)].filter((form) => addressOf(form) === address);
}

function isEdited(form) {
  if ("kept" in form.dataset) return true;
  return [...form.elements].some((control) => {
    if (control.matches(UNKEPT)) return false;
    if (control.matches("[type=checkbox], [type=radio]")) return control.checked !== control.defaultChecked;
    if (control.matches("select")) {
      const options = [...control.options];
      const standard = options.filter((option) => option.defaultSelected);
      return standard.length > 0 && options.some((option) => option.selected !== option.defaultSelected);
    }
    return "defaultValue" in control && control.value !== control.defaultValue;
  });
}

// Write what a control shows into the HTML of its copy.
function writeState(copy, control) {
  copy.removeAttribute("data-disabled-by-htmx");
  if (control.matches("[data-disabled-by-htmx]")) copy.removeAttribute("disabled");
  if (control.matches(UNKEPT)) copy.removeAttribute("value");
  else if (control.matches("textarea")) copy.textContent = control.value;
  else if (control.matches("select")) {
    [...copy.options].forEach((option, index) => option.toggleAttribute("selected", control.options[index].selected));
  } else if (control.matches("[type=checkbox], [type=radio]")) copy.toggleAttribute("checked", control.checked);
  else if (control.matches("input")) copy.setAttribute("value", control.value);
}

function htmlOf(form) {
  const copy = form.cloneNode(true);
  const controls = [...form.elements].filter((control) => form.contains(control));
  [...copy.elements].forEach((control, index) => writeState(control, controls[index]));
  return copy.innerHTML;
}

// Keep the form that is sent, and every other form of the page with something typed in it.
function keep(sent, { interrupted = false } = {}) {
  const forms = [...document.querySelectorAll(FORMS)].filter((form) => form === sent || isEdited(form));
  const parts = forms.map((form) => ({
    address: addressOf(form),
    turn: formsOf(addressOf(form)).indexOf(form),
    html: htmlOf(form),
  }));
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ interrupted, parts }));
  } catch {
    drop(); // It is larger than the browser stores.
  }
}

function drop() {
  sessionStorage.removeItem(KEPT);
}

// A form without inputs has nothing to fill in, and the version in it may be old. A person's role may have changed.
function canFill(form) {
  return !form.querySelector("fieldset:disabled") && [...form.elements].some((control) => control.matches(TYPED));
}

function fill(form, html) {
  const token = form.querySelector("[name=csrf]")?.value;
  form.innerHTML = html;
  for (const input of form.querySelectorAll("[name=csrf]")) input.value = token ?? input.value;
  form.dataset.kept = "";
  htmx.process(form);
}

// A page between passes on what was kept; the next page fills it in.
function restore() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (!kept) return;
  if (isBetween()) {
    sessionStorage.setItem(KEPT, JSON.stringify({ ...kept, interrupted: true }));
    return;
  }
  drop();
  const wentBack = performance.getEntriesByType("navigation")[0]?.type === "back_forward";
  if (!kept.interrupted && !wentBack) return;
  const parts = kept.parts.map((part) => [formsOf(part.address)[part.turn], part.html]).filter(([form]) => form);
  for (const [form, html] of parts) if (canFill(form)) fill(form, html);
  if (parts.some(([form]) => !form.querySelector("fieldset:disabled"))) tellKept();
  parts[0]?.[0].scrollIntoView({ block: "center" });
}

function tellKept() {
  const template = document.getElementById("kept-toast");
  document.getElementById("toasts")?.replaceChildren(template.content.cloneNode(true));
}

function onAnswer(event) {
  const { elt, successful, xhr } = event.detail;
  const interrupted = xhr.getResponseHeader("X-Interrupted") !== null;
  if (interrupted) keep(elt.closest(FORMS), { interrupted });
  else if (successful && elt.matches("main form[method=post]")) {
    drop();
    document.querySelector("#toasts .toast-bad")?.remove();
  }
}

// A button is disabled while its form is sent, and another comes with the answer: the focus would go to the page's top.
// The answer also replaces inputs, but what is typed meanwhile is newer.
let sent = { form: null, pressed: false, states: [], later: [] };

function stateOf(control) {
  return control.matches("[type=checkbox], [type=radio]") ? control.checked : control.value;
}

function rememberSent(event) {
  const form = event.detail.elt;
  if (!form.matches(FORMS)) return;
  const controls = [...form.elements].filter((control) => control.id && control.matches(TYPED) && !control.matches(UNKEPT));
  const states = controls.map((control) => [control, stateOf(control)]);
  sent = { form, pressed: document.activeElement?.closest("button")?.form === form, states, later: [] };
}

function rememberLater(event) {
  if (event.detail.elt !== sent.form || event.detail.target !== sent.form) return;
  const later = sent.states.filter(([control, state]) => stateOf(control) !== state);
  sent.later = later.map(([control]) => [control.id, stateOf(control)]);
}

function fillLater(event) {
  const { form, pressed, later } = sent;
  if (event.target !== form) return;
  for (const [id, state] of later) {
    const control = document.getElementById(id);
    if (control) control[typeof state === "boolean" ? "checked" : "value"] = state;
  }
  if (later.length) form.querySelector(".saved")?.remove();
  if (pressed && document.activeElement === document.body) form.querySelector(".form-foot .btn-primary")?.focus();
  sent = { form: null, pressed: false, states: [], later: [] };
}

document.addEventListener("submit", sendOnce);
document.addEventListener("htmx:beforeRequest", rememberSent);
document.addEventListener("htmx:beforeSwap", rememberLater);
document.addEventListener("htmx:afterSettle", fillLater);
document.addEventListener("htmx:afterRequest", onAnswer);
document.addEventListener("form:kept", tellKept);
addEventListener("pageshow", allowSending);
// Not before htmx has seen the forms.
addEventListener("load", restore);
