import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { SnapshotPlan } from "../src/snapshot.js";

const FILE = process.env.TAP2_SPECS || new URL("../../../tests/specs/", import.meta.url).pathname;
const { settings } = JSON.parse(readFileSync(`${FILE}/offline.json`, "utf8"));

for (const { name, plan, cases } of settings) {
  test(`${name}: a client decides as the server does, bit for bit`, () => {
    const snapshot = new SnapshotPlan(plan);
    for (const { id, context, answer } of cases) {
      const decision = snapshot.decide(context, id, parseInt(id.slice(4, 16), 16));
      const { ranking, excluded, values, propensity, expires_at } = decision || {};
      assert.deepEqual(decision && { ranking, excluded, values, propensity, expires_at }, answer, `${id} ${JSON.stringify(context)}`);
    }
  });
}
