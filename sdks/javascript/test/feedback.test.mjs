import assert from "node:assert/strict";
import { test } from "node:test";
import { Personalize } from "../dist/index.js";
import { fakeServer, receiptsOf } from "./fake_server.mjs";

async function clientOf(t, answer, options = {}) {
  const server = await fakeServer(answer);
  t.after(server.close);
  const errors = [];
  const onError = (error, event) => errors.push([error.code, event?.event_id]);
  const requestTimeoutMs = 20_000; // of a loaded machine
  const client = new Personalize({ url: server.url, key: "sk_test_x", onError, requestTimeoutMs, ...options });
  return { client, server, errors };
}

const shown = (number) => ({ event_id: `e${number}`, decision_id: `dec_${number}`, type: "shown" });
const record = (request, reply) => reply.json(202, receiptsOf(request.body));

test("an outcome is sent again under the same id until it is stored", async (t) => {
  const ids = [];
  const { client } = await clientOf(t, (request, reply) => {
    ids.push(request.body[0].event_id);
    if (ids.length === 1) reply.reset();
    else if (ids.length === 2) reply.problem(503, "unavailable", {}, { "retry-after": "0" });
    else record(request, reply);
  });
  const receipt = await client.trackFeedback({ decision_id: "dec_1", type: "shown" });
  assert.equal(receipt.status, "recorded");
  assert.equal(ids.length, 3);
  assert.equal(new Set(ids).size, 1);
});

test("a limit is waited for as long as the server says", async (t) => {
  const times = [];
  const { client } = await clientOf(t, (request, reply) => {
    times.push(performance.now());
    if (times.length === 1) reply.problem(429, "too-many-requests", {}, { "retry-after": "1" });
    else record(request, reply);
  });
  await client.trackFeedback(shown(1));
  assert.ok(times[1] - times[0] >= 990);
});

test("outcomes of the same moment go together, at most fifty", async (t) => {
  const { client, server } = await clientOf(t, record);
  const receipts = await Promise.all(Array.from({ length: 120 }, (_, number) => client.trackFeedback(shown(number))));
  assert.deepEqual(receipts.map((receipt) => receipt.event_id), Array.from({ length: 120 }, (_, n) => `e${n}`));
  assert.ok(server.requests.every(({ body }) => body.length <= 50));
  assert.ok(server.requests.length <= 4);
});

test("an outcome that spoils its list does not spoil the others", async (t) => {
  const { client, errors } = await clientOf(t, (request, reply) =>
    request.body.some(({ event_id }) => event_id === "e3") ? reply.problem(403, "forbidden") : record(request, reply),
  );
  const settled = await Promise.allSettled([1, 2, 3, 4].map((number) => client.trackFeedback(shown(number))));
  assert.deepEqual(settled.map(({ status }) => status), ["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  assert.deepEqual(errors, [["forbidden", "e3"]]);
});

test("with a wrong key nobody waits, and nothing crashes", async (t) => {
  const { client, server, errors } = await clientOf(t, (_, reply) => reply.problem(401, "unauthorized"));
  for (const number of [1, 2, 3]) client.trackFeedback(shown(number)); // nobody looks at the promises
  assert.equal(await client.flush(20_000), 0);
  assert.deepEqual(errors.map(([code]) => code), ["unauthorized", "unauthorized", "unauthorized"]);
  assert.equal(server.requests.length, 1);
});

test("flush says how many are left", async (t) => {
  const { client } = await clientOf(t, (_, reply) => reply.reset());
  client.trackFeedback(shown(1));
  client.trackFeedback(shown(2));
  assert.equal(await client.flush(100), 2);
});

test("an answer without receipts counts as none", async (t) => {
  const { client, server } = await clientOf(t, (request, reply) =>
    server.requests.length < 2 ? reply.json(200, {}) : record(request, reply),
  );
  assert.equal((await client.trackFeedback(shown(1))).status, "recorded");
});

test("nothing is sent of the client's own fallback order", async (t) => {
  const { client, server } = await clientOf(t, record);
  const receipt = await client.trackFeedback({ decision_id: null, type: "shown" });
  assert.equal(receipt.status, "unknown_decision");
  assert.equal(server.requests.length, 0);
});

test("what a page did not deliver, the next page does", async (t) => {
  const values = new Map();
  const methods = {
    getItem: (name) => values.get(name),
    setItem(name, value) {
      values.set(name, value);
      this[name] = value;
    },
    removeItem(name) {
      values.delete(name);
      delete this[name];
    },
  };
  const storage = Object.create(methods);
  const gone = await clientOf(t, () => {}, { storage });
  gone.client.trackFeedback(shown(1));
  assert.equal(await gone.client.flush(50), 1);
  const other = await clientOf(t, record, { storage, key: "sk_test_another" });
  assert.equal(await other.client.flush(20_000), 0);
  assert.equal(other.server.requests.length, 0);
  const next = await clientOf(t, record, { storage });
  assert.equal(await next.client.flush(20_000), 0);
  assert.equal(next.server.requests[0].body[0].event_id, "e1");
  assert.equal(values.size, 0);
});

test("a storage that refuses loses nothing", async (t) => {
  const refuse = () => {
    throw new Error("full");
  };
  const { client } = await clientOf(t, record, { storage: { setItem: refuse, removeItem: refuse, getItem: refuse } });
  assert.equal((await client.trackFeedback(shown(1))).status, "recorded");
});
