// Randomness without a generator: numbers that follow from keys. tests/specs/ of the repository defines them.

// BLAKE2b (RFC 7693) in words of 32 bits, the low one of each pair first: BigInts take ten times as long.
const START = Uint32Array.of(
  0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85, 0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a,
  0xade682d1, 0x510e527f, 0x2b3e6c1f, 0x9b05688c, 0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19,
);
const pairsOf = (row) => [...row].map((digit) => 2 * parseInt(digit, 16));
const ORDERS = [
  "0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8", "905724afe1bc683d",
  "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a", "6fe9b308c2d714a5", "a2847615fb9e3cd0",
].map(pairsOf);
const QUARTERS = ["048c", "159d", "26ae", "37bf", "05af", "16bc", "278d", "349e"].map(pairsOf);
const BLOCK = 128;

function add(v, a, w, b) {
  const sum = v[a] + w[b];
  v[a + 1] += w[b + 1] + (sum > 0xffffffff ? 1 : 0);
  v[a] = sum;
}

/** Write the exclusive or of two pairs into the first one, turned to the right. */
function turn(v, a, b, bits) {
  const [far, rest] = [bits >> 5, bits & 31];
  const low = v[a + far] ^ v[b + far], high = v[a + 1 - far] ^ v[b + 1 - far];
  v[a] = (low >>> rest) | ((high << 1) << (31 - rest));
  v[a + 1] = (high >>> rest) | ((low << 1) << (31 - rest));
}

function mix(v, words, quarter, x, y) {
  const a = quarter[0], b = quarter[1], c = quarter[2], d = quarter[3];
  add(v, a, v, b), add(v, a, words, x), turn(v, d, a, 32), add(v, c, v, d), turn(v, b, c, 24);
  add(v, a, v, b), add(v, a, words, y), turn(v, d, a, 16), add(v, c, v, d), turn(v, b, c, 63);
}

/** Return BLAKE2b of a text's UTF-8 with so many bytes, in words of 32 bits. */
export function digest(text, length) {
  const bytes = new TextEncoder().encode(text);
  const size = Math.max(1, Math.ceil(bytes.length / BLOCK)) * BLOCK;
  const message = new DataView(new ArrayBuffer(size));
  new Uint8Array(message.buffer).set(bytes);
  const [state, words, v] = [START.slice(), new Uint32Array(32), new Uint32Array(32)];
  state[0] ^= 0x01010000 | length;
  for (let start = 0; start < size; start += BLOCK) {
    for (let index = 0; index < 32; index++) words[index] = message.getUint32(start + 4 * index, true);
    v.set(state), v.set(START, 16);
    v[24] ^= Math.min(bytes.length, start + BLOCK);
    if (start + BLOCK === size) v[28] = ~v[28], v[29] = ~v[29];
    for (const order of [...ORDERS, ORDERS[0], ORDERS[1]]) {
      for (let step = 0; step < 8; step++) mix(v, words, QUARTERS[step], order[2 * step], order[2 * step + 1]);
    }
    for (let index = 0; index < 16; index++) state[index] ^= v[index] ^ v[index + 16];
  }
  return state;
}

/** Return the 64 bits of a text: BLAKE2b-64 of its UTF-8, little-endian. */
export function hash(text) {
  const [low, high] = digest(text, 8);
  return (BigInt(high) << 32n) | BigInt(low);
}

/** Return the uniform number of a seed, a candidate's hash and a slot from 0, by SplitMix64. */
export function drawnUniform(seed, candidate, slot) {
  let z = BigInt.asUintN(64, candidate + BigInt(slot + 1) * 0x9e3779b97f4a7c15n) ^ seed;
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return (Number((z ^ (z >> 31n)) >> 12n) + 0.5) * 2 ** -52;
}

/** Return the uniform number of a unit under a salt. */
export const unitUniform = (salt, unit) => (Number(hash(`${salt}\n${unit}`) >> 11n) + 0.5) * 2 ** -53;

/** Return the index of a unit's variant, by weighted rendezvous hashing. */
export function chooseVariant(salt, unit, variants) {
  const scores = variants.map(([id, weight]) => -Math.log(unitUniform(`${salt}\n${id}`, unit)) / weight);
  return scores.indexOf(Math.min(...scores));
}
