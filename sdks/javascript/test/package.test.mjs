import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import * as modules from "../dist/index.js";

const MOST_BYTES = 10_240;
const MOST_BYTES_GZIPPED = 4_096;
const MOST_BYTES_OF_CONSENT = 8_192;
const minified = readFileSync(new URL("../dist/personalize.min.js", import.meta.url));

test("the minified file is small", (t) => {
  const gzipped = gzipSync(minified, { level: 9 }).length;
  t.diagnostic(`${minified.length} bytes, ${gzipped} gzipped`);
  assert.ok(minified.length <= MOST_BYTES);
  assert.ok(gzipped <= MOST_BYTES_GZIPPED);
});

test("the consent prompt is small and in all builds", async (t) => {
  const script = readFileSync(new URL("../dist/consent.min.js", import.meta.url));
  t.diagnostic(`${script.length} bytes`);
  assert.ok(script.length <= MOST_BYTES_OF_CONSENT);
  const required = createRequire(import.meta.url)("../dist/consent.cjs");
  const ofScript = new Function(`${script}; return tap2Consent;`)();
  for (const exports of [await import("../dist/consent.js"), required, ofScript]) {
    assert.deepEqual(Object.keys(exports), ["promptConsent"]);
  }
});

test("all three builds export the same", () => {
  const required = createRequire(import.meta.url)("../dist/index.cjs");
  const ofScript = new Function(`${minified}; return tap2;`)();
  for (const exports of [modules, required, ofScript]) {
    assert.deepEqual(Object.keys(exports).sort(), ["Personalize", "Tap2Error"]);
  }
});

test("a secret key does not start in a browser", async () => {
  globalThis.window = globalThis;
  globalThis.document = { addEventListener() {} };
  globalThis.addEventListener = () => {};
  try {
    const { Personalize } = new Function(`${minified}; return tap2;`)();
    assert.throws(() => new Personalize({ url: "http://127.0.0.1", key: "sk_test_x" }), TypeError);
    assert.ok(new Personalize({ url: "http://127.0.0.1", key: "pk_test_x" }));
  } finally {
    for (const name of ["window", "document", "addEventListener"]) delete globalThis[name];
  }
});
