// Against a running server: `TAP2_URL`, `TAP2_KEY` (secret) and `TAP2_PUBLIC_KEY`; tests/sdks starts the server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Personalize } from "../dist/index.js";

const { TAP2_URL: url, TAP2_KEY: key, TAP2_PUBLIC_KEY: publicKey } = process.env;
const live = { skip: url ? false : "no server" };
const onError = () => {};
const context = { geo: { country: "DE" }, cart: { total: 10_000, currency: "EUR" } };
const placement = "payment_methods";
// The first requests of a new server take longer than a checkout's.
const options = { url, onError, timeoutMs: 10_000, requestTimeoutMs: 10_000 };
const server = url && new Personalize({ ...options, key });
const browser = url && new Personalize({ ...options, key: publicKey });

test("a server gets the whole decision and teaches once", live, async () => {
  const decision = await server.decide({ placement, customer_id: "c_1", context }, { explain: true });
  assert.deepEqual(decision.ranking.map(({ id }) => id).sort(), ["card", "paypal"]);
  assert.ok(decision.propensity > 0 && decision.trace);
  const bought = { event_id: "order-1", decision_id: decision.decision_id, type: "converted", candidate_id: "card" };
  assert.equal((await server.trackFeedback(bought)).status, "recorded");
  assert.equal((await server.trackFeedback(bought)).status, "duplicate");
  assert.equal((await server.trackFeedback({ ...bought, type: "declined" })).status, "conflict");
});

test("a browser gets what to show, and gives hints", live, async () => {
  const { customer_token } = await server.customerToken("c_1");
  const methods = await browser.getMethods("c_1", undefined, context, { customerToken: customer_token });
  assert.ok(methods.token && !("reasons" in methods.methods[0]));
  const { decision_id, token } = methods;
  const receipts = await Promise.all(
    ["shown", "selected", "converted"].map((type) =>
      browser.trackFeedback({ decision_id, token, type, candidate_id: methods.methods[0].id }),
    ),
  );
  assert.deepEqual(receipts.map(({ status }) => status), ["recorded", "recorded", "invalid"]);
  assert.match(receipts[2].message, /^type: report purchases with a secret key/);
  assert.equal((await browser.trackFeedback({ decision_id, type: "shown" })).status, "invalid");
});

test("a browser gets no explanation", live, async () => {
  await assert.rejects(browser.decide({ placement }, { explain: true }), { code: "forbidden", field: "explain" });
});

test("a batch decides what exists", live, async () => {
  const { decisions } = await server.decideAll({ placements: [placement, "no-such-place"], context });
  assert.equal(decisions[0].placement, placement);
  assert.deepEqual([decisions[1].status, decisions[1].placement], [404, "no-such-place"]);
});

test("errors say what is wrong", live, async () => {
  const wrong = new Personalize({ ...options, key: "sk_test_wrong" });
  await assert.rejects(wrong.decide({ placement }), { code: "unauthorized", status: 401 });
  await assert.rejects(wrong.trackFeedback({ customer_id: "c_1", method_id: "card" }), { code: "unauthorized" });
  await assert.rejects(server.decide({ placement: "no-such-place" }), { code: "not-found" });
  await assert.rejects(server.decide({ placement, merchant_id: "another" }), { code: "forbidden", field: "merchant_id" });
  const { status, message } = await server.trackFeedback({ type: "clicked", decision_id: "dec_1" });
  assert.equal(status, "invalid");
  assert.match(message, /^type: /);
});

test("a purchase without a decision counts in the customer's history", live, async () => {
  const bought = { event_id: "till-1", customer_id: "c_2", method_id: "paypal", amount: 4900 };
  assert.equal((await server.trackFeedback(bought)).status, "recorded");
});

test("an offer is shown, redeemed and refunded once", live, async () => {
  const { offers } = await server.offers({ customer_id: "c_3", context });
  const [{ hold_id, discount }] = offers;
  const redeem = () =>
    server.redemptions.redeem({ hold_id, cart: context.cart, order_id: "o_1" }, { idempotencyKey: "o_1" });
  assert.equal((await redeem()).discount, discount.amount);
  assert.deepEqual(await redeem(), await redeem());
  assert.ok((await server.redemptions.refund(hold_id, 5000)).returned > 0);
  assert.equal((await server.redemptions.get(hold_id)).state, "redeemed");
  await assert.rejects(server.redemptions.get("hold_unknown"), { code: "not-found" });
});

test("a code is validated, held and released", live, async () => {
  const asked = { code: "SPRING10", context };
  assert.equal((await server.redemptions.validate(asked)).valid, true);
  const { hold_id, state } = await server.redemptions.hold(asked);
  assert.equal(state, "live");
  assert.equal((await server.redemptions.release(hold_id)).state, "released");
});

test("a customer without experiments has no variants", live, async () => {
  assert.deepEqual((await server.variants({ customer_id: "c_1", context })).experiments, []);
});
