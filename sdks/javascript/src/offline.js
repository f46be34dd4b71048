// Decide while the server does not answer, by snapshots that it gave before, and tell it afterwards.

import { SnapshotPlan } from "./snapshot.js";

const PATH = "/v1/personalize/snapshots/";
const SENT = { path: "/v1/personalize/decisions/offline", idName: "decision_id" };
const REFRESH_MS = 180_000;
const RETRY_MS = 5_000;
const MOST_REMEMBERED = 1_000;

/** Return what `new Personalize({ offline })` decides by where the server does not answer. */
export function offline(options) {
  return new Offline(options);
}

class Offline {
  #placements;
  #refreshMs;
  #client;
  #queue;
  #timer;
  #snapshots = new Map(); // by placement: { snapshot, plan, receivedAt, next }
  #askedAt = new Map();
  #tokens = new Map();
  #waiting = new Set();
  #refused = new Set();

  constructor({ placements, refreshMs = REFRESH_MS }) {
    if (!placements?.length) throw new TypeError("placements are required");
    this.#placements = placements;
    this.#refreshMs = refreshMs;
  }

  /** Begin to work for a client. */
  attach(client) {
    this.#client = client;
    this.#queue = client.queue("tap2d", { ...SENT, onSettled: (event, receipt) => this.#settle(event, receipt) });
    for (const { decision_id } of this.#queue.events) this.#waiting.add(decision_id);
    for (const [id, token] of this.#read("tokens") || []) this.#tokens.set(id, token);
    for (const placement of this.#placements) {
      const kept = this.#read(placement);
      if (kept) {
        const next = this.#read(`${placement}.next`) ?? 0;
        this.#snapshots.set(placement, { ...kept, next, plan: new SnapshotPlan(kept.snapshot.plan) });
      }
      this.#refresh(placement);
    }
    this.#timer = setInterval(() => this.#placements.forEach((each) => this.#refresh(each)), this.#refreshMs);
    this.#timer.unref?.();
  }

  /** Whether an outcome waits until the server has its decision. */
  waits = ({ decision_id }) => this.#waiting.has(decision_id);

  /** Return an outcome with the token that the server gave to its decision. */
  complete = (event) => {
    const token = event.token ?? this.#tokens.get(event.decision_id);
    return token ? { ...event, token } : event;
  };

  /** Note an answer of the server: who refuses personalization gets no other order without it. */
  note({ customer_id }, { personalized }) {
    if (customer_id === undefined || customer_id === null) return;
    if (personalized === false) remember(this.#refused, String(customer_id));
    else this.#refused.delete(String(customer_id));
  }

  /** Decide a request by a snapshot; null where there is none, or it cannot answer this request. */
  decide(request, error) {
    const { placement, customer_id: customer, personalization } = request;
    const kept = this.#snapshots.get(placement);
    const isGuest = customer === undefined || customer === null || customer === "";
    if (!kept || !error.isTemporary || personalization === false || this.#refused.has(String(customer))) return null;
    if (kept.plan.isSplit && !isGuest) return null; // a customer's draw lasts, and only the server knows it
    const { snapshot, receivedAt } = kept;
    const [issued, expires] = [Date.parse(snapshot.issued_at), Date.parse(snapshot.expires_at)];
    // The visitor's clock may be wrong by hours: only the time since the snapshot came counts.
    const now = issued + Date.now() - receivedAt;
    if (now < issued || now > expires || kept.next >= snapshot.most_decisions) return null;
    const context = JSON.parse(JSON.stringify(request.context ?? {}));
    const id = `dec_${hex(now, 12)}${snapshot.id_suffix}${hex(kept.next, 6)}`;
    const decision = kept.plan.decide(context, id, now);
    if (!decision) return null;
    kept.next++;
    this.#write(`${placement}.next`, kept.next);
    const { ranking, propensity } = decision;
    const sent = { decision_id: id, snapshot: snapshot.token, context, ranking: ranking.map((each) => each.id), propensity };
    this.#waiting.add(id);
    this.#queue.add(sent);
    return { ...decision, error };
  }

  sendBeforeUnload() {
    this.#queue.sendBeforeUnload();
  }

  flush(timeoutMs) {
    return this.#queue.flush(timeoutMs);
  }

  close() {
    clearInterval(this.#timer);
  }

  /** Let a decision's outcomes follow it once the server has answered. */
  #settle({ decision_id: id }, { status, message = "", token } = {}) {
    if (token) {
      remember(this.#tokens, id, token);
      this.#write("tokens", [...this.#tokens]);
    }
    if (status && status !== "recorded" && status !== "duplicate") this.#client.refuse(`${id}: ${status} ${message}`);
    this.#waiting.delete(id);
    this.#client.resume();
  }

  async #refresh(placement) {
    const kept = this.#snapshots.get(placement);
    const age = kept ? Date.now() - kept.receivedAt : Infinity;
    const since = Date.now() - (this.#askedAt.get(placement) ?? -Infinity);
    if ((age >= 0 && age < this.#refreshMs) || since < RETRY_MS) return;
    this.#askedAt.set(placement, Date.now());
    try {
      const { transport, timeoutMs } = this.#client;
      const snapshot = await transport.send("GET", PATH + encodeURIComponent(placement), { timeoutMs });
      // By this clock, times are late by what the snapshot took to come, and never in the server's future.
      const fresh = { snapshot, receivedAt: Date.now() };
      this.#snapshots.set(placement, { ...fresh, next: 0, plan: new SnapshotPlan(snapshot.plan) });
      this.#write(placement, fresh);
      this.#write(`${placement}.next`, 0);
    } catch (error) {
      if (error.isTemporary) return;
      // The server says that it alone can decide this placement from now on.
      this.#snapshots.delete(placement);
      this.#write(placement, null);
      this.#client.report(error);
    }
  }

  #name(name) {
    return `tap2s:${this.#client.key.slice(-8)}:${name}`;
  }

  #read(name) {
    try {
      return JSON.parse(this.#client.storage?.getItem(this.#name(name)) ?? "null");
    } catch {
      return null;
    }
  }

  #write(name, value) {
    try {
      this.#client.storage?.setItem(this.#name(name), JSON.stringify(value));
    } catch {
      // Storage is full or forbidden: this page has it in memory all the same.
    }
  }
}

const hex = (number, digits) => number.toString(16).padStart(digits, "0");

/** Add to a set or a map, without the oldest where there are too many. */
function remember(collection, key, value) {
  if (collection.size >= MOST_REMEMBERED) collection.delete(collection.keys().next().value);
  if (value === undefined) collection.add(key);
  else collection.set(key, value);
}
