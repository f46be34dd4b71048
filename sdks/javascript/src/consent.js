// The consent prompt: a small sheet at the end of the page that asks a customer once, and never stops the checkout.

import { Transport } from "./transport.js";

const CONSENTS = "/v1/personalize/consents";

const STYLE = `
:host { all: initial; color-scheme: inherit; }
dialog { position: fixed; inset: auto 0 0; z-index: 2147483000; box-sizing: border-box; width: min(100%, 40rem);
  max-height: 85vh; margin: 0 auto; padding: 1.25rem; overflow: auto; border: 1px solid #8884; border-bottom: 0;
  border-radius: .75rem .75rem 0 0; background: Canvas; color: CanvasText; box-shadow: 0 -.25rem 1.5rem #0003;
  font: 1rem/1.5 system-ui, sans-serif; text-align: start; }
h2 { margin: 0; padding-inline-end: 2.5rem; font-size: 1.125rem; }
p { margin: .5rem 0 0; }
label { display: grid; grid-template-columns: auto 1fr; gap: 0 .75rem; margin-top: 1rem; cursor: pointer; }
label span { grid-column: 2; font-size: .875rem; opacity: .8; }
input { width: 1.125rem; height: 1.125rem; margin: .1875rem 0 0; accent-color: var(--tap2-accent, #2563eb); }
div { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.25rem; }
button { min-height: 2.75rem; padding: 0 1rem; border: 1px solid currentColor; border-radius: .375rem;
  background: none; color: inherit; font: inherit; cursor: pointer; flex: 1 1 9rem; }
button.close { position: absolute; inset-block-start: .5rem; inset-inline-end: .5rem; width: 2.75rem; padding: 0;
  border: 0; font-size: 1.5rem; line-height: 1; }
:focus-visible { outline: 3px solid var(--tap2-accent, #2563eb); outline-offset: 2px; }
`;

/**
 * Ask a customer for consent, and record the choice. Resolves with the consent in force, or with null where there is
 * nothing to ask or the server does not answer; it never rejects, because a checkout must not wait for it.
 */
export async function promptConsent(options) {
  const { customerId, customerToken, timeoutMs = 5000, again = false, onError = warn } = options;
  const transport = new Transport(options);
  const customer = { customer_id: customerId, ...(customerToken && { customer_token: customerToken }) };
  const send = (path, body) => transport.sendInTime("POST", path, { body: { ...customer, ...body }, timeoutMs });
  try {
    const language = options.language || document.documentElement.lang || navigator.language;
    const prompt = await send(`${CONSENTS}/prompt`, { language });
    if (!prompt.prompt && !again) return null;
    const choice = await ask(prompt);
    return await send(CONSENTS, { ...choice, notice: prompt.notice, served_at: location.origin + location.pathname });
  } catch (error) {
    onError(error);
    return null;
  }
}

/** Show the prompt; resolve with the method and the purposes that were chosen. */
function ask({ language, direction, title, text, purposes, buttons }) {
  return new Promise((resolve) => {
    const host = element("tap2-consent", { lang: language, dir: direction });
    const switches = purposes.map(({ purpose, accepted }) => element("input", { type: "checkbox", name: purpose, checked: accepted }));
    const close = (method) => {
      const chosen = Object.fromEntries(switches.map((input) => [input.name, input.checked]));
      host.remove();
      resolve(method === "save" ? { method, purposes: chosen } : { method });
    };
    const button = (method, fields) =>
      element("button", { type: "button", name: method, textContent: buttons[method], onclick: () => close(method), ...fields });
    const dialog = element("dialog", {}, [
      element("h2", { id: "title", textContent: title }),
      element("p", { textContent: text }),
      ...purposes.map(({ name, about }, index) =>
        element("label", {}, [switches[index], element("b", { textContent: name }), element("span", { textContent: about })]),
      ),
      // Refusing is as easy as allowing: both buttons look alike.
      element("div", {}, [button("accept"), button("reject"), button("save")]),
      button("dismiss", { className: "close", textContent: "×", ariaLabel: buttons.dismiss }),
    ]);
    dialog.setAttribute("aria-labelledby", "title");
    dialog.onkeydown = (event) => {
      if (event.key === "Escape") close("dismiss");
    };
    open(host, dialog);
  });
}

function open(host, dialog) {
  const root = host.attachShadow({ mode: "open" });
  // A sheet made by script is allowed where a policy of the page forbids inline styles.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  root.append(dialog);
  const focused = document.activeElement;
  document.body.append(host);
  dialog.show();
  // Whoever is typing a card number goes on typing.
  if (focused?.matches("input, select, textarea, [contenteditable]")) focused.focus();
}

function element(name, fields, children = []) {
  const result = Object.assign(document.createElement(name), fields);
  result.append(...children);
  return result;
}

function warn(error) {
  console.warn(`tap2: ${error.message}`, error.code || "");
}
