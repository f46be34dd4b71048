// A shop's server with one checkout page: `npm run example`, beside a server that `make run` started.
//
// TAP2_URL is the server (default http://127.0.0.1:8000), TAP2_KEY a secret key. Without a server the page shows the
// shop's own order.
import { createServer } from "node:http";
import { Personalize } from "../dist/index.js";

const tap2 = new Personalize({
  url: process.env.TAP2_URL || "http://127.0.0.1:8000",
  key: process.env.TAP2_KEY || "sk_test_missing",
  fallback: { payment_methods: [{ id: "card", label: "Card" }, { id: "paypal", label: "PayPal" }] },
});
const cart = { total: 4900, currency: "EUR" };

async function checkoutPage() {
  const context = { cart, geo: { country: "DE" }, device: { type: "desktop" } };
  const { decision_id, methods, fallback } = await tap2.getMethods("c_123", undefined, context);
  tap2.trackFeedback({ decision_id, type: "shown" });
  const buttons = methods.map(({ id, label }) => `<button name="method" value="${escape(id)}">${escape(label)}</button>`);
  return `<!doctype html><title>Checkout</title><h1>Pay 49.00 EUR</h1>
    <form action="/pay"><input type="hidden" name="decision" value="${decision_id || ""}">${buttons.join(" ")}</form>
    <p>${fallback ? "The shop's own order." : `Decision ${decision_id}`}</p>`;
}

async function paidPage(query) {
  const decision_id = query.get("decision") || null;
  const sold = { type: "converted", candidate_id: query.get("method"), amount: cart.total, currency: cart.currency };
  // A real shop gives its order's id, so that reloading this page counts nothing twice.
  const { status } = await tap2.trackFeedback({ event_id: `paid-${decision_id}`, decision_id, ...sold });
  return `<!doctype html><title>Paid</title><h1>Thank you</h1><p>Feedback: ${status}</p>`;
}

function escape(text) {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://shop.example");
  const page = pathname === "/pay" ? await paidPage(searchParams) : await checkoutPage();
  response.setHeader("content-type", "text/html; charset=utf-8");
  response.end(page);
});
server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
