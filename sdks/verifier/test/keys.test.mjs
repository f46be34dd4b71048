import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { chooseVariant, drawnUniform, hash, unitUniform } from "../keys.mjs";

const specs = (name) => JSON.parse(readFileSync(new URL(`../../../tests/specs/${name}.json`, import.meta.url)));
const hex = (number) => number.toString(16).padStart(16, "0");

test("draws use the uniform numbers of the server", () => {
  for (const { key, candidate, slot, ...expected } of specs("bandits_uniforms").uniforms) {
    const [seed, own] = [hash(key), hash(candidate)];
    assert.deepEqual({ seed: hex(seed), hash: hex(own), uniform: drawnUniform(seed, own, slot) }, expected);
  }
});

test("units get the variants of the server", () => {
  const { uniform, choose } = specs("assignment");
  for (const { salt, unit, value } of uniform) assert.equal(unitUniform(salt, unit), value);
  for (const { salt, unit, weights, variant } of choose) {
    const pairs = Object.entries(weights);
    assert.equal(pairs[chooseVariant(salt, unit, pairs)][0], variant);
  }
});

test("a text longer than a block is hashed", () => {
  assert.equal(hex(hash("x".repeat(128))), "0224e1e874e31c90");
  assert.equal(hex(hash("x".repeat(300))), "1546d9cac139b512");
});
