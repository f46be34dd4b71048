// Many checkouts at once: TAP2_URL and TAP2_KEY name the server, TAP2_CHECKOUTS the number; with TAP2_EVENTS, so many
// purchases are reported instead. Prints `begun` in the middle of the checkouts, then a summary as JSON.
import { setTimeout as sleep } from "node:timers/promises";
import { Personalize } from "../dist/index.js";

const CHECKOUTS = Number(process.env.TAP2_CHECKOUTS || 0);
const EVENTS = Number(process.env.TAP2_EVENTS || 0);
const AT_ONCE = 20;
const TIMEOUT_MS = 300;
const MOST_LATE_MS = 50;
const ORDER = ["paypal", "card"];

const client = new Personalize({
  url: process.env.TAP2_URL,
  key: process.env.TAP2_KEY,
  timeoutMs: TIMEOUT_MS,
  requestTimeoutMs: 700,
  fallback: { payment_methods: ORDER },
  onError: () => {},
});
const summary = { late: 0, wrong: 0, left: 0, codes: {}, events: {} };
let begun = 0;

/** One checkout; a bare timer beside it says how late this process itself is. */
async function checkout(number) {
  const timer = sleep(TIMEOUT_MS).then(() => performance.now());
  const decision = await client.decide({ placement: "payment_methods", customer_id: `c_${number}` });
  const answered = performance.now();
  timer.then((due) => (summary.late += answered - due > MOST_LATE_MS ? 1 : 0));
  if (decision.decision_id === null) {
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
    client.trackFeedback({ event_id, decision_id: decision.decision_id, ...report });
  }
  await timer;
}

async function worker() {
  while (begun < CHECKOUTS) {
    const number = begun++;
    if (number === Math.floor(CHECKOUTS / 2)) console.log("begun");
    await checkout(number);
  }
}

if (CHECKOUTS) {
  await client.decide({ placement: "payment_methods" }, { timeoutMs: 20_000 });
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
for (let number = 0; number < EVENTS; number++) {
  client.trackFeedback({ event_id: `event-${number}`, customer_id: `c_${number % 100}`, method_id: "card" });
}
summary.left = await client.close(600_000);
console.log(JSON.stringify(summary));
