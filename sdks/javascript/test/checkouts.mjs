// Many checkouts at once: `node checkouts.mjs`, with TAP2_URL and TAP2_KEY. Prints `begun` at half, then a summary.
import { setTimeout as sleep } from "node:timers/promises";
import { Personalize } from "../dist/index.js";

const CHECKOUTS = 1000;
const AT_ONCE = 20;
const TIMEOUT_MS = 300;
const MOST_LATE_MS = 50;
const ORDER = ["paypal", "card"];

const client = new Personalize({
  url: process.env.TAP2_URL,
  key: process.env.TAP2_KEY,
  timeoutMs: TIMEOUT_MS,
  requestTimeoutMs: 1000,
  fallback: { payment_methods: ORDER },
  onError: () => {},
});
const summary = { late: 0, fallbacks: 0, wrong: 0, codes: {}, events: {}, statuses: {}, left: 0 };
let begun = 0;

/** One checkout; a bare timer beside it says how late this process itself is. */
async function checkout(number) {
  const timer = sleep(TIMEOUT_MS).then(() => performance.now());
  const decision = await client.decide({ placement: "payment_methods", customer_id: `c_${number}` });
  const answered = performance.now();
  timer.then((due) => (summary.late += answered - due > MOST_LATE_MS ? 1 : 0));
  if (decision.decision_id === null) {
    summary.fallbacks++;
    summary.codes[decision.error.code] = (summary.codes[decision.error.code] || 0) + 1;
    if (decision.ranking.map(({ id }) => id).join() !== ORDER.join()) summary.wrong++;
  }
  const reports = [
    { type: "shown" },
    { type: "selected", candidate_id: decision.ranking[0].id },
    { type: "converted", candidate_id: decision.ranking[0].id, amount: 4900, currency: "EUR" },
  ];
  for (const [index, report] of reports.entries()) {
    const event_id = `${decision.decision_id}.${index}`;
    if (decision.decision_id) (summary.events[decision.decision_id] ||= []).push(event_id);
    client.trackFeedback({ event_id, decision_id: decision.decision_id, ...report }).then(({ status }) => {
      summary.statuses[status] = (summary.statuses[status] || 0) + 1;
    });
  }
  await timer;
}

async function worker() {
  while (begun < CHECKOUTS) {
    const number = begun++;
    if (number === CHECKOUTS / 2) console.log("begun");
    await checkout(number);
  }
}

await client.decide({ placement: "payment_methods" }, { timeoutMs: 10_000 });
await Promise.all(Array.from({ length: AT_ONCE }, worker));
summary.left = await client.close(60_000);
console.log(JSON.stringify(summary));
