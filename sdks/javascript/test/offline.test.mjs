import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Personalize } from "../dist/index.js";
import { offline } from "../dist/offline.js";
import { fakeServer, receiptsOf } from "./fake_server.mjs";

const SPECS = process.env.TAP2_SPECS || new URL("../../../tests/specs", import.meta.url).pathname;
const { settings } = JSON.parse(readFileSync(`${SPECS}/offline.json`, "utf8"));
const planOf = (name) => settings.find((setting) => setting.name === name).plan;
const [TRIALS, SPLIT] = [planOf("trials"), planOf("split")];
const MOST_BYTES = 14_336;
const ASKED = { placement: "payment_methods", context: { geo: { country: "DE" } } };
const HOUR = 3_600_000;

function snapshotOf(plan, { at = Date.now(), number = 1, ...more } = {}) {
  const times = { issued_at: new Date(at).toISOString(), expires_at: new Date(at + 900_000).toISOString() };
  return { token: `sn_${number}`, id_suffix: String(number).padStart(14, "0"), most_decisions: 50, ...times, plan, ...more };
}

/** A page's storage. */
function memory() {
  const entries = new Map();
  const storage = { getItem: (name) => entries.get(name) ?? null, setItem: (name, text) => storage.put(name, String(text)) };
  storage.put = (name, text) => Object.defineProperty(storage, name, { value: (entries.set(name, text), text), enumerable: true, configurable: true });
  storage.removeItem = (name) => (entries.delete(name), delete storage[name]);
  for (const name of ["getItem", "setItem", "put", "removeItem"]) Object.defineProperty(storage, name, { enumerable: false });
  return storage;
}

/** A client whose server gives a snapshot, and can be gone. */
async function shopOf(t, { snapshot = snapshotOf(TRIALS), storage = null, ...options } = {}) {
  const state = { isGone: false, snapshot, receipts: {}, errors: [] };
  const server = await fakeServer(({ method, path, body }, answer) => {
    if (state.isGone) return answer.reset();
    if (path.startsWith("/v1/personalize/snapshots/")) {
      return state.snapshot ? answer.json(200, state.snapshot) : answer.problem(409, "conflict");
    }
    if (path.endsWith("/offline")) {
      const results = body.map(({ decision_id }) => ({ decision_id, status: "recorded", ...state.receipts }));
      return answer.json(202, { results });
    }
    if (path.endsWith("/feedback")) return answer.json(202, receiptsOf(body));
    answer.json(200, { decision_id: "dec_server", ranking: [], fallback: false, ...state.answer });
  });
  t.after(server.close);
  const onError = (error) => state.errors.push(`${error.code}`);
  const open = () => {
    const plugin = offline({ placements: ["payment_methods"] });
    const all = { url: server.url, key: "pk_test_12345678", timeoutMs: 5_000, storage, onError, offline: plugin };
    const client = new Personalize({ ...all, fallback: { payment_methods: ["card"] }, ...options });
    t.after(() => client.close(0));
    return client;
  };
  const client = open();
  await until(() => server.requests.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 50));
  return { client, server, state, open, sent: (end) => server.requests.filter(({ path }) => path.endsWith(end)) };
}

async function until(isTrue) {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("the policy decides while the server is gone, and the server hears of it before the outcomes", async (t) => {
  const shop = await shopOf(t);
  shop.state.receipts = { token: "dt_1" };
  assert.equal((await shop.client.decide(ASKED)).decision_id, "dec_server");
  shop.state.isGone = true;
  const decision = await shop.client.decide(ASKED);
  assert.equal(decision.source, "offline");
  assert.equal(decision.fallback, false);
  assert.equal(decision.error.code, "network");
  assert.match(decision.decision_id, /^dec_[0-9a-f]{12}00000000000001000000$/);
  assert.deepEqual(decision.ranking.map(({ id }) => id).sort(), ["card", "klarna", "paypal"]);
  const shown = shop.client.trackFeedback({ decision_id: decision.decision_id, type: "shown" });
  const methods = await shop.client.getMethods(undefined, undefined, ASKED.context);
  assert.equal(methods.source, "offline");
  assert.equal(await shop.client.flush(100), 3);
  shop.state.isGone = false;
  const before = shop.server.requests.length;
  assert.equal(await shop.client.flush(5_000), 0);
  assert.equal((await shown).status, "recorded");
  const [first, second] = shop.server.requests.slice(before);
  assert.ok(first.path.endsWith("/offline") && second.path.endsWith("/feedback"));
  assert.deepEqual(first.body.map(({ decision_id }) => decision_id), [decision.decision_id, methods.decision_id]);
  const { snapshot, context, ranking, propensity } = first.body[0];
  assert.deepEqual({ snapshot, context }, { snapshot: "sn_1", context: ASKED.context });
  assert.deepEqual(ranking, decision.ranking.map(({ id }) => id));
  assert.equal(propensity, decision.propensity);
  assert.equal(second.body[0].token, "dt_1");
});

test("the next page of a shop finds snapshot, decisions and outcomes again", async (t) => {
  const storage = memory();
  const shop = await shopOf(t, { storage });
  shop.state.isGone = true;
  const decision = await shop.client.decide(ASKED);
  shop.client.trackFeedback({ decision_id: decision.decision_id, type: "shown" });
  const next = shop.open();
  const second = await next.decide(ASKED);
  assert.match(second.decision_id, /00000000000001000001$/);
  shop.state.isGone = false;
  assert.equal(await next.flush(5_000), 0);
  const ids = shop.sent("/offline").flatMap(({ body }) => body.map(({ decision_id }) => decision_id));
  assert.deepEqual([...new Set(ids)].sort(), [decision.decision_id, second.decision_id].sort());
  assert.equal(shop.sent("/feedback").at(-1).body[0].decision_id, decision.decision_id);
});

test("a wrong clock of the visitor changes no time", async (t) => {
  const at = Date.now() + 7 * HOUR;
  const shop = await shopOf(t, { snapshot: snapshotOf(TRIALS, { at }) });
  shop.state.isGone = true;
  const { decision_id } = await shop.client.decide(ASKED);
  const decidedAt = parseInt(decision_id.slice(4, 16), 16);
  assert.ok(decidedAt >= at && decidedAt < at + 60_000);
});

const REFUSED = {
  "a snapshot is too old": [{ snapshot: snapshotOf(TRIALS, { expires_at: new Date(Date.now() - 1).toISOString() }) }],
  "all its decisions are made": [{ snapshot: snapshotOf(TRIALS, { most_decisions: 0 }) }],
  "the server alone can decide": [{ snapshot: null }],
  "personalization is refused": [{}, { personalization: false }],
  "a fact is not written as declared": [{}, { context: { geo: { country: "de" } } }],
  "a customer's draw must last": [{ snapshot: snapshotOf(SPLIT) }, { customer_id: "c_1" }],
};
for (const [name, [options, asked]] of Object.entries(REFUSED)) {
  test(`the merchant's own order stands where ${name}`, async (t) => {
    const shop = await shopOf(t, options);
    shop.state.isGone = true;
    assert.deepEqual((await shop.client.decide({ ...ASKED, ...asked })).ranking, [{ id: "card", rank: 1, label: "card" }]);
  });
}

test("a mistake of the shop is not decided, and a customer who refused gets the shop's order", async (t) => {
  const shop = await shopOf(t);
  shop.state.answer = { personalized: false };
  await shop.client.decide({ ...ASKED, customer_id: 7 });
  shop.state.isGone = true;
  assert.equal((await shop.client.decide({ ...ASKED, customer_id: "7" })).fallback, true);
  assert.equal((await shop.client.decide({ ...ASKED, customer_id: "8" })).source, "offline");
});

test("a decision that the server refuses is reported, and holds nothing up", async (t) => {
  const shop = await shopOf(t);
  shop.state.receipts = { status: "differs", message: "ranking" };
  shop.state.isGone = true;
  const { decision_id } = await shop.client.decide(ASKED);
  const receipt = shop.client.trackFeedback({ decision_id, type: "shown" });
  shop.state.isGone = false;
  assert.equal(await shop.client.flush(5_000), 0);
  await receipt;
  assert.ok(shop.state.errors.includes("refused"));
});

test("a batch is decided placement by placement", async (t) => {
  const shop = await shopOf(t);
  shop.state.isGone = true;
  const options = { fallback: { banner: ["winter"] } };
  const { decisions } = await shop.client.decideAll({ ...ASKED, placements: ["payment_methods", "banner"] }, options);
  assert.deepEqual(decisions.map(({ source, fallback }) => [source, fallback]), [["offline", false], [undefined, true]]);
});

test("the file is small, and all builds export the same", async (t) => {
  const script = readFileSync(new URL("../dist/offline.min.js", import.meta.url));
  t.diagnostic(`${script.length} bytes`);
  assert.ok(script.length <= MOST_BYTES);
  const required = createRequire(import.meta.url)("../dist/offline.cjs");
  for (const exports of [await import("../dist/offline.js"), required, new Function(`${script}; return tap2Offline;`)()]) {
    assert.deepEqual(Object.keys(exports), ["offline"]);
  }
  assert.throws(() => offline({}), TypeError);
});
