// Change an export in random places and count how many changes the verifier misses:
// `node changes.mjs FILE COUNT bits` changes a bit of the file; `... lies` changes a bit of a checked field of a decision
// and makes all digests anew, as a server that lies would.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { verify } from "../verify.mjs";

const [path, count, kind] = process.argv.slice(2);
const content = readFileSync(path);
const original = content.toString().trimEnd().split("\n");
const decisions = [...original.keys()].filter((index) => original[index].startsWith('{"kind":"decision"'));
const below = (limit) => Math.floor(Math.random() * limit);

function bits() {
  const changed = Buffer.from(content);
  changed[below(changed.length)] ^= 1 << below(8);
  // As `node:readline` cuts a file, so that every changed byte is inside a line.
  return changed.toString().split("\n").filter((line, index, all) => line || index < all.length - 1);
}

function lies() {
  const lines = [...original];
  const index = decisions[below(decisions.length)];
  for (;;) {
    const line = JSON.parse(original[index]);
    const places = placesOf(line);
    const [holder, key] = places[below(places.length)];
    const before = JSON.stringify(holder[key]);
    holder[key] = flipped(holder[key]);
    // A bit that JSON does not keep, such as the sign of 0, changes nothing.
    if (JSON.stringify(holder[key]) === before || holder[key] === null || Number.isNaN(holder[key])) continue;
    if (Math.abs(holder[key]) === Infinity) continue;
    lines[index] = JSON.stringify(line);
    return chained(lines);
  }
}

/** Return the checked fields of a decision, as pairs of what holds them and their key. */
function placesOf(line) {
  const pairs = [line.excluded, line.rules, line.values, ...line.ranking, ...line.experiments];
  return [...pairs.flatMap((holder) => Object.keys(holder).map((key) => [holder, key])), [line, "propensity"], [line, "fallback"]];
}

function flipped(value) {
  if (typeof value === "boolean") return !value;
  if (typeof value === "number") {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    bytes[below(8)] ^= 1 << below(8);
    return bytes.readDoubleLE();
  }
  const bytes = Buffer.from(value);
  bytes[below(bytes.length)] ^= 1 << below(7);
  return bytes.toString();
}

function chained(lines) {
  let digest = "";
  return lines.map((text) => {
    const body = text.slice(0, text.lastIndexOf(',"digest":"'));
    digest = createHash("sha256").update(digest + body).digest("hex").slice(0, 16);
    return `${body},"digest":"${digest}"}`;
  });
}

await verify(chained(original));
let missed = 0;
for (let number = 0; number < count; number++) {
  const lines = { bits, lies }[kind]();
  const isMissed = await verify(lines).then(() => true, () => false);
  if (isMissed) missed++;
}
console.log(JSON.stringify({ changes: Number(count), missed }));
