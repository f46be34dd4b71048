// Decide by a snapshot of a placement, bit for bit as the server does for a guest.

import { arrange, boundsOf, pairwiseSum } from "../../verifier/drawing.mjs";
import { digest, hash } from "../../verifier/keys.mjs";

const MOST_KEPT = 256;
const CODES = { country: /^[A-Z]{2}$/, currency: /^[A-Z]{3}$/ };

export class SnapshotPlan {
  #plan;
  #hashes;
  #draws;
  #limits = new Map();

  constructor(plan) {
    this.#plan = plan;
    this.#hashes = new Map(plan.candidates.map(({ id }) => [id, hash(id)]));
    // Decoded here, as the snapshot comes, and not when a customer waits.
    this.#draws = new Map(Object.entries(plan.tables).map(([name, { draws }]) => [name, bytesOf(draws)]));
  }

  get isSplit() {
    return this.#plan.policy === "split";
  }

  /** Return the answer with an id to a request of a guest; null where a fact is not written as it is declared. */
  decide(context, id, decidedAt) {
    const plan = this.#plan;
    const facts = readFacts(plan.facts, context);
    if (!facts) return null;
    const limits = this.#limitsOf(facts);
    const seed = hash(this.isSplit ? `${plan.placement}:${id}` : id);
    const { order, chances, first, means, propensity } = arrange(limits, limits.shared, seed, []);
    const ranking = order.map((k, slot) => {
      const { id, label } = plan.candidates[limits.rows[k]];
      return { id, rank: slot + 1, label, score: means[k], confidence: first[k], chance: chances[slot] };
    });
    return {
      decision_id: id,
      placement: plan.placement,
      plan_version: plan.plan_version,
      ranking,
      excluded: plan.candidates.filter((each) => !limits.eligible.includes(each.id)).map((each) => ({ id: each.id })),
      values: Object.fromEntries(limits.values),
      propensity,
      fallback: false,
      source: "offline",
      expires_at: new Date(decidedAt + plan.window_minutes * 60_000).toISOString(),
    };
  }

  #limitsOf(facts) {
    const { candidates, buckets, currency } = this.#plan;
    const bucket = buckets.map((name) => bucketValue(facts[name])).join("|");
    const excluded = candidates.filter((each) => isExcluded(each, facts, currency)).map(({ id }) => id);
    const key = [bucket, ...excluded].join("\n");
    if (!this.#limits.has(key)) {
      if (this.#limits.size >= MOST_KEPT) this.#limits.clear();
      this.#limits.set(key, this.#makeLimits(bucket, excluded));
    }
    return this.#limits.get(key);
  }

  #makeLimits(bucket, excluded) {
    const { candidates, effects, slots, policy, drawn, weights, tables, tables_by: by, order_rules: rules } = this.#plan;
    const ids = candidates.map(({ id }) => id);
    const bounds = boundsOf(ids, effects, slots ?? Infinity, excluded);
    const { eligible, length } = bounds;
    const own = by === "stratum" ? stratumOf(bucket, eligible, rules) : bucket;
    const name = Object.hasOwn(tables, own) ? own : "";
    const table = tables[name];
    const rows = eligible.map((id) => ids.indexOf(id));
    const ofRows = (numbers) => rows.map((row) => numbers[row]);
    const scores = ofRows(table.scores);
    const expected = policy === "fixed" ? rows.map((_, k) => 1 / (1 + k)) : ofRows(table.expected);
    return {
      ...bounds,
      ...(policy === "thompson" ? this.#drawsOf(name, rows) : { away: [] }),
      drawn: policy === "split" ? length : Math.min(drawn, length),
      means: [scores, scores, expected],
      hashes: eligible.map((id) => this.#hashes.get(id)),
      rows,
      shared: { weights: weights.length ? ofRows(weights) : undefined, chances: {} },
    };
  }

  /** Return the draws of a table and how its floor is spread over some of its candidates. */
  #drawsOf(name, rows) {
    const table = this.#plan.tables[name];
    const numbers = this.#draws.get(name);
    const count = this.#plan.candidates.length;
    const draws = { table: { numbers, shape: [1, count, numbers.length / count] }, strength: 0 };
    const shares = table.shares.length ? rows.map((row) => table.shares[row]) : [];
    const away = rows.map((row) => Boolean(table.away[row]));
    const gone = away.filter(Boolean).length;
    if (!gone || gone === rows.length) return { ...draws, floor: table.floor, shares, away: rows.map(() => false) };
    const whole = pairwiseSum(shares);
    const even = (k) => (shares.length ? (table.floor * shares[k]) / whole : table.floor / rows.length);
    const divided = away.map((isAway, k) => (isAway ? table.probes / gone : even(k)));
    return { ...draws, floor: Math.min(1, pairwiseSum(divided)), shares: divided, away };
  }
}

/** Return the declared facts of a context by name; null where one is written in a way that the server may change. */
function readFacts(declared, context) {
  const facts = {};
  for (const [name, { type, allowed }] of Object.entries(declared)) {
    let value = context;
    for (const part of name.split(".")) value = isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
    if (value === undefined || value === null) continue;
    if (!isAsDeclared(value, type, allowed)) return null;
    facts[name] = value;
  }
  return facts;
}

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function isAsDeclared(value, type, allowed) {
  if (allowed.length) return allowed.includes(value);
  if (type === "boolean") return typeof value === "boolean";
  if (type === "money" || type === "integer") return Number.isSafeInteger(value);
  return typeof value === "string" && (CODES[type] || /^[\x20-\x7e]{1,64}$/).test(value);
}

function bucketValue(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "string" ? value : "-";
}

function isExcluded(candidate, facts, own) {
  const { countries, currencies, devices, min_amount: least, max_amount: most } = candidate;
  const currency = facts["cart.currency"];
  const lacks = (list, value) => value && list?.length && !list.includes(value);
  if (lacks(countries, facts["geo.country"]) || lacks(currencies, currency) || lacks(devices, facts["device.type"])) {
    return true;
  }
  const total = facts["cart.total"];
  if (total === undefined) return false;
  return total < (limitIn(least, currency, own) ?? 0) || total > (limitIn(most, currency, own) ?? Infinity);
}

/** Return a limit for carts in a currency; a missing currency is the merchant's own. */
function limitIn(limit, currency, own) {
  if (isObject(limit)) return limit[currency ?? own ?? ""];
  return own === null || (currency ?? own) === own ? limit : undefined;
}

/** Return the name of the requests of guests with the same bucket, candidates and rules that move the order. */
function stratumOf(bucket, candidates, rules) {
  const parts = [bucket, "False", [...candidates].sort().join("|"), [...rules].sort().join("|")];
  const bytes = new Uint8Array(digest(parts.join("\n"), 6).buffer, 0, 6);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
