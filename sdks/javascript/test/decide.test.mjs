import assert from "node:assert/strict";
import { test } from "node:test";
import { Personalize, Tap2Error } from "../dist/index.js";
import { fakeServer } from "./fake_server.mjs";

const ORDER = ["card", { id: "paypal", label: "PayPal" }];
const ASKED = { placement: "payment_methods", customer_id: "c_1" };

async function clientOf(t, answer, options = {}) {
  const server = await fakeServer(answer);
  t.after(server.close);
  const errors = [];
  const onError = (error) => errors.push(error.code);
  const fallback = { payment_methods: ORDER };
  const timeoutMs = 20_000; // of a loaded machine; tests of time give their own
  const client = new Personalize({ url: server.url, key: "sk_test_x", fallback, onError, timeoutMs, ...options });
  return { client, server, errors };
}

function isMerchantsOrder(answer, code) {
  assert.equal(answer.fallback, true);
  assert.equal(answer.decision_id, null);
  assert.deepEqual(answer.ranking, [
    { id: "card", rank: 1, label: "card" },
    { id: "paypal", rank: 2, label: "PayPal" },
  ]);
  assert.equal(answer.error.code, code);
}

/** Whether it took no longer than `milliseconds` and 50 more, by a timer that a loaded machine delays alike. */
async function inTime(milliseconds, work) {
  let isOver = false;
  const timer = new Promise((resolve) => setTimeout(resolve, milliseconds)).then(
    () => new Promise((resolve) => setTimeout(() => resolve((isOver = true)), 50)),
  );
  const answer = await work();
  assert.equal(isOver, false, "the answer came too late");
  await timer;
  return answer;
}

test("an answer is passed on as it is", async (t) => {
  const decision = { decision_id: "dec_1", placement: "payment_methods", ranking: [], fallback: false };
  const { client, server } = await clientOf(t, (_, reply) => reply.json(200, decision));
  assert.deepEqual(await client.decide(ASKED), decision);
  const [{ headers, body, path }] = server.requests;
  assert.deepEqual([headers.authorization, path], ["Bearer sk_test_x", "/v1/personalize/decisions"]);
  assert.deepEqual(body, ASKED);
});

test("a deprecated operation is warned of once", async (t) => {
  const warn = t.mock.method(console, "warn", () => {});
  const headers = { deprecation: "@1796083200", sunset: "Tue, 01 Jun 2027 00:00:00 GMT" };
  const { client, server } = await clientOf(t, ({ path }, reply) => {
    reply.json(200, { decisions: [] }, path.endsWith("batch") ? {} : headers);
  });
  await client.decideAll({ placements: ["payment_methods"] });
  assert.equal(warn.mock.callCount(), 0);
  await client.decide(ASKED);
  await client.decide(ASKED);
  const messages = warn.mock.calls.map((call) => call.arguments[0]);
  const url = `${server.url}/v1/personalize/decisions`;
  assert.deepEqual(messages, [`tap2: upgrade this client: ${url} ends on Tue, 01 Jun 2027 00:00:00 GMT`]);
});

test("a silent server gives the merchant's own order in time", async (t) => {
  const { client, errors } = await clientOf(t, () => {}, { timeoutMs: 120 });
  isMerchantsOrder(await inTime(120, () => client.decide(ASKED)), "timeout");
  assert.deepEqual(errors, ["timeout"]);
});

test("an answer that drips is given up in time", async (t) => {
  const { client } = await clientOf(t, (_, { raw }) => {
    raw.writeHead(200, { "content-type": "application/json" }).write("{");
    const drip = setInterval(() => raw.write(" "), 10);
    raw.on("close", () => clearInterval(drip));
  });
  isMerchantsOrder(await inTime(120, () => client.decide(ASKED, { timeoutMs: 120 })), "timeout");
});

test("a fetch that heeds no signal is given up in time", async (t) => {
  const { client } = await clientOf(t, () => {}, { fetch: () => new Promise(() => {}) });
  isMerchantsOrder(await inTime(100, () => client.decide(ASKED, { timeoutMs: 100 })), "timeout");
});

test("a broken connection is not asked twice", async (t) => {
  const { client, server } = await clientOf(t, (_, reply) => reply.reset());
  isMerchantsOrder(await client.decide(ASKED), "network");
  assert.equal(server.requests.length, 1);
});

test("a page of a proxy is no decision", async (t) => {
  const { client } = await clientOf(t, (_, { raw }) => raw.writeHead(502).end("<html>Bad gateway</html>"));
  isMerchantsOrder(await client.decide(ASKED), "unexpected");
});

test("a limit is waited for if that ends in time", async (t) => {
  const { client, server } = await clientOf(t, (_, reply) =>
    server.requests.length < 2
      ? reply.problem(429, "too-many-requests", {}, { "retry-after": "0" })
      : reply.json(200, { decision_id: "dec_1", ranking: [] }),
  );
  assert.equal((await client.decide(ASKED)).decision_id, "dec_1");
  assert.equal(server.requests.length, 2);
});

test("a longer limit gives the merchant's own order at once", async (t) => {
  const limited = (_, reply) => reply.problem(429, "too-many-requests", {}, { "retry-after": "70" });
  const { client, server } = await clientOf(t, limited);
  const answer = await client.decide(ASKED);
  isMerchantsOrder(answer, "too-many-requests");
  assert.equal(answer.error.retryAfter, 70);
  assert.equal(server.requests.length, 1);
});

test("without an order of one's own the error is thrown with its field", async (t) => {
  const { client } = await clientOf(
    t,
    (_, reply) => reply.problem(400, "invalid", { field: "placement", errors: [{ field: "placement", message: "is required" }] }),
    { fallback: {} },
  );
  await assert.rejects(client.decide(ASKED), (error) => {
    assert.ok(error instanceof Tap2Error);
    assert.deepEqual([error.code, error.status, error.field, error.isTemporary], ["invalid", 400, "placement", false]);
    return true;
  });
});

test("an order of the call goes before that of the client", async (t) => {
  const { client } = await clientOf(t, (_, reply) => reply.reset());
  const { ranking } = await client.decide(ASKED, { fallback: ["ideal"] });
  assert.deepEqual(ranking, [{ id: "ideal", rank: 1, label: "ideal" }]);
});

test("a batch falls back placement by placement", async (t) => {
  const problem = { type: "urn:tap2:problem:not-found", title: "", status: 404, detail: "no placement" };
  const { client } = await clientOf(t, (_, reply) =>
    reply.json(200, { decisions: [{ ...problem, placement: "payment_methods" }, { ...problem, placement: "banner" }] }),
  );
  const { decisions } = await client.decideAll({ placements: ["payment_methods", "banner"] });
  isMerchantsOrder(decisions[0], "not-found");
  assert.equal(decisions[1].status, 404);
});

test("a batch without a server has every placement's order", async (t) => {
  const { client } = await clientOf(t, (_, reply) => reply.reset());
  const asked = { placements: ["payment_methods", "banner"] };
  const { decisions } = await client.decideAll(asked, { fallback: { banner: ["spring"] } });
  isMerchantsOrder(decisions[0], "network");
  assert.deepEqual(decisions[1].ranking, [{ id: "spring", rank: 1, label: "spring" }]);
  await assert.rejects(client.decideAll(asked), { code: "network" });
});

test("methods keep the customer out of the address", async (t) => {
  const ranking = [{ id: "card", rank: 1, label: "Card" }];
  const { client, server } = await clientOf(t, (_, reply) =>
    reply.json(200, { decision_id: "dec_1", ranking, fallback: false, token: "dt_1" }),
  );
  const answer = await client.getMethods("c_1", "bakery", { geo: { country: "DE" } });
  assert.deepEqual(answer, { decision_id: "dec_1", methods: ranking, fallback: false, token: "dt_1" });
  assert.ok(!server.requests[0].path.includes("c_1"));
  assert.equal(server.requests[0].body.merchant_id, "bakery");
});

test("a reporter that fails does not fail the checkout", async (t) => {
  const onError = () => {
    throw new Error("the shop's own");
  };
  const { client } = await clientOf(t, (_, reply) => reply.reset(), { onError });
  isMerchantsOrder(await client.decide(ASKED), "network");
});

test("a redemption is repeated with the same key", async (t) => {
  const { client, server } = await clientOf(t, (_, reply) =>
    server.requests.length < 3 ? reply.reset() : reply.json(200, { hold_id: "h_1", state: "redeemed" }),
  );
  const { state } = await client.redemptions.redeem({ hold_id: "h_1", order_id: "o_1" });
  assert.equal(state, "redeemed");
  const keys = server.requests.map(({ headers }) => headers["idempotency-key"]);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  await client.redemptions.release("h_1", { idempotencyKey: "mine" });
  assert.equal(server.requests.at(-1).headers["idempotency-key"], "mine");
});

test("what is refused for good is not repeated", async (t) => {
  const { client, server } = await clientOf(t, (_, reply) => reply.problem(409, "conflict"));
  await assert.rejects(client.redemptions.refund("h_1", 100), { code: "conflict" });
  assert.equal(server.requests.length, 1);
});

test("a publishable key is kept from what needs a secret key", async (t) => {
  const { client, server } = await clientOf(t, () => {}, { key: "pk_test_x" });
  for (const call of [
    () => client.offers(),
    () => client.variants({}),
    () => client.customerToken("c_1"),
    () => client.redemptions.get("h_1"),
  ]) {
    await assert.rejects(call, { code: "forbidden" });
  }
  assert.equal(server.requests.length, 0);
});

test("no offer is shown where the server does not answer", async (t) => {
  const { client } = await clientOf(t, (_, reply) => reply.reset());
  const { offers, fallback, error } = await client.offers({ customer_id: "c_1" });
  assert.deepEqual([offers, fallback, error.code], [[], true, "network"]);
});
