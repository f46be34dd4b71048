#!/usr/bin/env node
// Recompute an export of the log without the server: `node verify.mjs FILE`. docs/verifier.md describes the lines.
import { createHash } from "node:crypto";
import { createReadStream, realpathSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { arrange, boundsOf, withOwnChoices } from "./drawing.mjs";
import { chooseVariant, hash, unitUniform } from "./keys.mjs";

const END = ',"digest":"****************"}';

const floats = (data) => new Float32Array(Uint8Array.from(Buffer.from(data, "base64")).buffer);

function expect(what, logged, recomputed) {
  const [first, second] = [logged, recomputed].map((value) => JSON.stringify(value) ?? "nothing");
  if (first !== second) throw new Error(`${what} is ${first}, recomputed ${second}`);
}

/** Return what the candidates of the decisions that refer to a line are drawn by. */
function limitsOf(line, plan, table) {
  const { candidates, policy, goal } = plan;
  const effects = line.fired.flatMap((id) => plan.rules[id]);
  const bounds = boundsOf(candidates, effects, plan.slots ?? Infinity, line.catalogue, line.preferred);
  const { eligible, boosts, length } = bounds;
  const factor = (id) => (goal === "minimise" ? -1 / (boosts.get(id) ?? 1) : boosts.get(id) ?? 1);
  let weights = line.is_boosted && (boosts.size || goal === "minimise") ? eligible.map(factor) : undefined;
  if (policy.type === "split") weights = eligible.map((id) => policy.weights[id] ?? 1);
  let drawn = policy.type === "split" ? length : Math.min(policy.drawn, length);
  const { means = [eligible.map(() => 0)] } = line;
  if (line.fallback || policy.type === "fixed") [drawn, means[2]] = [0, eligible.map((_, k) => 1 / (1 + k))];
  const drawing = { ...bounds, drawn, means, hashes: eligible.map((id) => plan.hashes.get(id)) };
  return { fallback: false, ...line, ...drawing, plan, table, shared: { weights, chances: {} } };
}

/** Check that units are in the variants that hashing gives them, and that the plan is that of these variants. */
function checkAssignments({ id, experiments, units = {} }, { holdback, experiments: all, variants }) {
  expect("experiments", experiments.map(([name]) => name).sort(), Object.keys(units).sort());
  const changing = experiments.filter(([name, variant]) => {
    const unit = units[name];
    if (name === "holdback") {
      const isHeld = unitUniform(`holdback:${holdback.salt}`, unit) < holdback.share;
      expect("holdback", variant, isHeld ? "not_personalized" : "personalized");
      return isHeld;
    }
    const { unit: kind, layer, offset, share, salt, is_adaptive: isAdaptive, variants: splits } = all[name];
    if (kind === "decision") expect(`unit of ${name}`, unit, id);
    const position = unitUniform(layer, unit);
    expect(`enrolment in ${name}`, true, offset <= position && position < offset + share);
    const index = isAdaptive ? splits.findIndex(([each]) => each === variant) : chooseVariant(salt, unit, splits);
    expect(`variant of ${name}`, variant, splits[index]?.[0]);
    return splits[index][2];
  });
  const decisive = new Set(changing.map(String));
  const isControl = ([name, variant]) => all[name]?.variants[0][0] === variant;
  const others = variants.filter((pair) => !decisive.delete(String(pair)) && !isControl(pair));
  expect("variants of the plan", [...others.map(String), ...decisive], []);
}

function checkDecision(line, limits) {
  const { plan, eligible } = limits;
  expect("fallback", line.fallback, limits.fallback);
  expect("rules", line.rules, limits.fired);
  expect("excluded", line.excluded, plan.candidates.filter((id) => !eligible.includes(id)));
  expect("values", Object.entries(line.values).sort(), [...limits.values].sort());
  checkAssignments(line, plan);
  const { past, own, features, means, weights = limits.shared.weights } = line;
  const isShared = !(past || own || features || means || line.weights);
  let request = isShared ? limits.shared : { past, features, means, weights, chances: {} };
  if (own) request = withOwnChoices(limits, request, own);
  const logged = line.ranking.map(([id]) => eligible.indexOf(id));
  const answer = arrange(limits, request, hash(line.key ?? line.id), logged);
  expect("order", line.ranking.map(([id]) => id), answer.order.map((index) => eligible[index]));
  line.ranking.forEach(([id, score, confidence, chance], slot) => {
    const index = answer.order[slot];
    expect(`chance of ${id} in slot ${slot + 1}`, chance, answer.chances[slot]);
    expect(`confidence of ${id}`, confidence, answer.first[index]);
    expect(`score of ${id}`, score, answer.means[index]);
  });
  expect("propensity", line.propensity, answer.propensity);
}

/** Verify lines, the first one first; return counts, or throw an error that names line, decision and difference. */
export async function verify(lines) {
  const [plans, tables, limits] = [new Map(), new Map(), new Map()];
  const count = { lines: 0, decisions: 0, leftOut: 0, isWhole: false };
  const kinds = {
    log: (line) => expect("format", line.format, 1),
    plan: (line) => plans.set(line.n, { ...line, hashes: new Map(line.candidates.map((id) => [id, hash(id)])) }),
    draws: (line) => tables.set(line.n, { ...line, numbers: floats(line.data) }),
    limits: (line) => limits.set(line.n, limitsOf(line, plans.get(line.plan), tables.get(line.draws))),
    decision: (line) => checkDecision(line, limits.get(line.limits), count.decisions++),
    left_out: () => count.leftOut++,
    end: (line) => (expect("number of decisions", line.decisions, count.decisions), (count.isWhole = true)),
  };
  let digest = "";
  for await (const text of lines) {
    count.lines++;
    try {
      digest = createHash("sha256").update(digest + text.slice(0, -END.length)).digest("hex").slice(0, 16);
      if (count.isWhole || !text.endsWith(END.replace(/\*+/, digest))) throw new Error("the digest differs");
      const line = JSON.parse(text);
      kinds[line.kind](line);
    } catch (error) {
      const id = /"id":"(dec_\w+)"/.exec(text)?.[1];
      throw new Error(`line ${count.lines}${id ? `, decision ${id}` : ""}: ${error.message}`);
    }
  }
  if (!count.isWhole) throw new Error(`line ${count.lines + 1}: the file ends too early`);
  return count;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const fail = (message) => (console.error(message), process.exit(1));
  const file = process.argv[2] ?? fail("usage: node verify.mjs FILE");
  const input = createReadStream(file).on("error", ({ message }) => fail(message));
  const { decisions, leftOut } = await verify(createInterface({ input })).catch(({ message }) => fail(message));
  console.log(`${decisions} decisions, all as recomputed; ${leftOut} left out by the export`);
}
