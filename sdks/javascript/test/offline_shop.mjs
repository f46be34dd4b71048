// Decide the requests of a file by its snapshot, and print the answers with the milliseconds that each took.
import { readFileSync, writeFileSync } from "node:fs";
import { SnapshotPlan } from "../src/snapshot.js";

const [input, output] = process.argv.slice(2);
const { plan, requests } = JSON.parse(readFileSync(input, "utf8"));
const snapshot = new SnapshotPlan(plan);
const answers = requests.map(({ id, context }) => {
  const began = performance.now();
  const answer = snapshot.decide(context, id, parseInt(id.slice(4, 16), 16));
  return { answer, milliseconds: performance.now() - began };
});
writeFileSync(output, JSON.stringify(answers));
