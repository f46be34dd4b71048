import assert from "node:assert/strict";
import { test } from "node:test";
import { fused, withOwnChoices } from "../drawing.mjs";

test("a product and a sum are rounded once", () => {
  const half = 1 + 2 ** -12; // Its square lies half-way between two floats.
  assert.equal(fused(half, half, 2 ** -60), 1 + 2 ** -11 + 2 ** -23);
  assert.equal(fused(half, half, -(2 ** -60)), 1 + 2 ** -11);
  assert.equal(fused(half, half, 0), 1 + 2 ** -11);
  assert.equal(fused(-half, half, -(2 ** -60)), -(1 + 2 ** -11 + 2 ** -23));
  assert.equal(fused(0.1, 3, 1), Math.fround(0.1 * 3 + 1));
});

test("a choice of a candidate that nobody chooses has a limited weight", () => {
  const { weights, means } = withOwnChoices({ means: [[], [], [1, 1e-12]], strength: 4 }, { weights: [1, 2] }, [0, 1]);
  assert.deepEqual(weights, [4 / 5, ((4 + 1 / 1e-9) / 5) * 2]);
  assert.equal(means[0][0], 0.8 / 1.8);
});
