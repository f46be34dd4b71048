// Fill the slots of an answer bit for bit as the server does: float32 by Math.fround, sums in the same order.
import { drawnUniform } from "./keys.mjs";

const [LATER_DRAWS, LEAST_SHARE] = [256, 1e-9];
const TIE = 1e-12; // Logarithms may differ in their last digit: closer than this, the logged pick stands.
const float = Math.fround;
const halves = new Uint32Array(2);
const double = new Float64Array(halves.buffer);

/** Return a * b + c in float32, rounded once. */
export function fused(a, b, c) {
  const [product, sum] = [a * b, a * b + c];
  double[0] = sum;
  if ((halves[0] & 0x1fffffff) !== 0x10000000) return float(sum);
  const moved = sum - product; // Half-way between two floats: what the sum lost decides.
  return float(sum + Math.sign(product - (sum - moved) + (c - moved)) * Math.abs(sum) * 2 ** -52);
}

/** Apply the effects of rules to what the catalogue left, as the server does. */
export function boundsOf(candidates, effects, most, catalogue, preferred = []) {
  const [excluded, pinned, boosts, values] = [new Set(catalogue), new Map(), new Map(), new Map()];
  for (const { exclude = [], require = candidates, boost, set } of effects) {
    for (const id of candidates) if (exclude.includes(id) || !require.includes(id)) excluded.add(id);
    for (const id of boost?.candidates ?? []) boosts.set(id, (boosts.get(id) ?? 1) * boost.factor);
    if (set && !values.has(set.name)) values.set(set.name, set.value);
  }
  const eligible = candidates.filter((id) => !excluded.has(id));
  const length = Math.min(most, eligible.length);
  const isFree = (id) => eligible.includes(id) && ![...pinned.values()].includes(id);
  for (const { pin } of effects) {
    if (pin?.slot <= most && !pinned.has(pin.slot - 1) && isFree(pin.candidate)) pinned.set(pin.slot - 1, pin.candidate);
  }
  const free = [...Array(length).keys()].filter((slot) => !pinned.has(slot));
  for (const id of preferred) if (free.length && isFree(id)) pinned.set(free.shift(), id);
  const pins = []; // Pins beyond the last candidate move up.
  for (const slot of [...pinned.keys()].sort((a, b) => b - a)) {
    const last = pins.length ? pins.findIndex((index) => index !== undefined) : eligible.length;
    pins[Math.min(slot, last - 1)] = eligible.indexOf(pinned.get(slot));
  }
  return { eligible, length, pins, boosts, values };
}

/** Add up in numpy's order. */
export function pairwiseSum(numbers) {
  const [count, middle] = [numbers.length, Math.floor(numbers.length / 16) * 8];
  if (count > 128) return pairwiseSum(numbers.slice(0, middle)) + pairwiseSum(numbers.slice(middle));
  const [whole, lanes] = [count - (count % 8), new Float64Array(8)];
  for (let index = 0; index < whole; index++) lanes[index % 8] += numbers[index];
  const [a, b, c, d, e, f, g, h] = lanes;
  return numbers.slice(whole).reduce((sum, number) => sum + number, a + b + (c + d) + (e + f + (g + h)));
}

/** Return what a trial of each of K candidates brings in, by draw: float32 (K * M). */
function scoresOf({ table, rows, away, strength }, { past, weights, features }) {
  const { numbers, shape: [sets, inner, columns] } = table;
  const scores = new Float32Array(rows.length * columns);
  rows.forEach((row, k) => {
    const to = scores.subarray(k * columns, (k + 1) * columns);
    const evidence = past && float(float(past[1][k]) + float(strength));
    const [share, own] = past ? [float(float(strength) / evidence), float(float(past[0][k]) / evidence)] : [1, 0];
    const [weight, rates, amounts] = [float(weights?.[k] ?? 1), row * columns, (inner + row) * columns];
    features?.[k].forEach((number, j) => {
      const from = (row * inner + j) * columns;
      if (number) for (let m = 0; m < columns; m++) to[m] = fused(numbers[from + m], float(number), to[m]);
    });
    for (let m = 0; m < columns && !features; m++) {
      const rate = float(float(numbers[rates + m] * share) + own);
      to[m] = (sets > 1 ? float(rate * numbers[amounts + m]) : rate) * weight;
    }
    if (away[k]) to.fill(-Infinity);
  });
  return scores;
}

/** Count in how many of the first `used` draws each candidate that is not taken is the best; equals share a draw. */
function winsOf(scores, taken, columns, used) {
  const [wins, sharers, best] = [taken.map(() => 0), new Uint32Array(used), new Float64Array(used).fill(-Infinity)];
  for (let m = 0; m < used; m++) {
    let winner = 0;
    for (let k = 0; k < taken.length; k++) {
      const score = scores[k * columns + m];
      if (taken[k] || score < best[m]) continue;
      sharers[m] = score > best[m] ? 1 : sharers[m] + 1;
      [best[m], winner] = [score, k];
    }
    wins[winner]++;
  }
  if (sharers.every((count) => count === 1)) return wins;
  const part = (k, m) => (!taken[k] && scores[k * columns + m] === best[m] ? 1 / sharers[m] : 0);
  return wins.map((_, k) => pairwiseSum(best.map((_, m) => part(k, m))));
}

/** Return the chances (K) of a drawn slot. */
function chancesOf(limits, request, taken) {
  const remaining = taken.filter((isTaken) => !isTaken).length;
  const ofOthers = (numbers) => numbers.map((number, k) => (taken[k] ? 0 : number));
  if (!limits.table) {
    const total = pairwiseSum(ofOthers(request.weights));
    return ofOthers(request.weights.map((weight) => (total > 0 ? weight / total : 1 / remaining)));
  }
  const columns = limits.table.shape[2];
  const used = remaining < taken.length ? Math.min(columns, LATER_DRAWS) : columns;
  request.scores ??= scoresOf(limits, request);
  const whole = ofOthers(limits.shares).reduce((sum, share) => sum + share, 0);
  const least = (k) => (whole > 0 ? limits.floor * (limits.shares[k] / whole) : limits.floor / remaining);
  const wins = winsOf(request.scores, taken, columns, used);
  return ofOthers(wins.map((won, k) => won * ((1 - limits.floor) / used) + least(k)));
}

/** Return the request with the weights and means that a customer's own choices give. */
export function withOwnChoices({ means: [, , attractions], strength }, request, own) {
  const [everybody, total] = [attractions, own].map((numbers) => numbers.reduce((sum, number) => sum + number, 0));
  const share = (k) => Math.max(attractions[k] / everybody, LEAST_SHARE);
  const factors = own.map((number, k) => (strength + number / share(k)) / (strength + total));
  const moved = attractions.map((attraction, k) => (attraction * factors[k]) / (1 + attraction * factors[k]));
  const weights = factors.map((factor, k) => factor * (request.weights?.[k] ?? 1));
  return { ...request, means: [moved, moved, attractions], weights };
}

/** Return order (indices), chances by slot, chances of the first slot, means, propensity; `logged` wins a tie. */
export function arrange(limits, request, seed, logged) {
  const { length, drawn, pins, hashes, away, strength } = limits;
  const { past, weights, means = limits.means } = request;
  const blended = means[0].map((mean, k) => (past ? (strength * mean + past[0][k]) / (strength + past[1][k]) : mean));
  const rest = (means[2] ?? blended).map((mean, k) => {
    const expected = (means.length === 2 ? mean * means[1][k] : mean) * (weights?.[k] ?? 1);
    return away?.[k] ? -Infinity : expected;
  });
  const queue = [...rest.keys()].sort((a, b) => (rest[a] < rest[b]) - (rest[a] > rest[b]));
  const taken = rest.map((_, k) => pins.includes(k));
  const answer = { order: [], chances: [], first: [], means: blended, propensity: 1 };
  for (let slot = 0; slot < length; slot++) {
    let chosen = pins[slot] ?? (slot < drawn ? undefined : queue.find((k) => !taken[k]));
    let row = rest.map((_, k) => Number(k === chosen));
    if (chosen === undefined) {
      row = request.chances[taken.join()] ??= chancesOf(limits, request, taken);
      const quotients = row.map((chance, k) => chance && chance / Math.log(drawnUniform(seed, hashes[k], slot)));
      const least = Math.min(...quotients);
      chosen = quotients[logged[slot]] <= least * (1 - TIE) ? logged[slot] : quotients.indexOf(least);
    }
    if (slot === 0) answer.first = row;
    answer.order.push(chosen);
    answer.chances.push(row[chosen]);
    answer.propensity *= row[chosen];
    taken[chosen] = true;
  }
  return answer;
}
