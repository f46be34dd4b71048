// Against a running server: `TAP2_URL`, `TAP2_KEY` (secret) and `TAP2_PUBLIC_KEY`; tests/sdks starts the server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Personalize } from "../dist/index.js";
import { offline } from "../dist/offline.js";

const { TAP2_URL: url, TAP2_KEY: key, TAP2_PUBLIC_KEY: publicKey } = process.env;
const live = { skip: url ? false : "no server" };
const placement = "offline_steps";
const context = { cart: { total: 10_000, currency: "EUR" } };

async function ask(method, path, body) {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  return answer.json();
}

test("what clients decide without the server replays the same, and teaches", live, async (t) => {
  const candidates = ["a", "b", "c", "d"].map((id) => ({ id, label: id }));
  await ask("POST", "/v1/placements", { key: placement, name: "Steps" });
  await ask("POST", `/v1/placements/${placement}/candidates`, candidates);
  for (const own of [key, publicKey]) {
    let isGone = false;
    const reach = (...request) => (isGone ? Promise.reject(new Error("gone")) : fetch(...request));
    const options = { url, key: own, fetch: reach, timeoutMs: 10_000, requestTimeoutMs: 10_000, onError() {} };
    const client = new Personalize({ ...options, offline: offline({ placements: [placement] }) });
    t.after(() => client.close(0));
    await client.decide({ placement, context });
    await new Promise((resolve) => setTimeout(resolve, 300));
    isGone = true;
    const decisions = [];
    for (let number = 0; number < 40; number++) decisions.push(await client.decide({ placement, context }));
    assert.deepEqual([...new Set(decisions.map(({ source }) => source))], ["offline"]);
    const receipts = decisions.map(({ decision_id, ranking }) =>
      client.trackFeedback({ decision_id, type: "selected", candidate_id: ranking[0].id }),
    );
    isGone = false;
    assert.equal(await client.flush(20_000), 0);
    for (const receipt of receipts) assert.equal((await receipt).status, "recorded");
    for (const { decision_id, ranking } of decisions.slice(0, 5)) {
      const { ranking: logged } = await ask("GET", `/v1/decisions/${decision_id}`);
      assert.deepEqual(logged.map(({ id, chance }) => [id, chance]), ranking.map(({ id, chance }) => [id, chance]));
      assert.ok((await ask("POST", `/v1/decisions/${decision_id}/replay`)).same);
    }
  }
});
