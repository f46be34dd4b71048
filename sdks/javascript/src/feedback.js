// Outcomes and decisions on their way to the server: kept until it has answered, sent again under the same id.

import { Tap2Error } from "./errors.js";
import { backoffMs } from "./transport.js";

const PATH = "/v1/personalize/feedback";
const MOST_AT_ONCE = 50; // what a publishable key may send at once
const MOST_WAITING = 10_000;

export class FeedbackQueue {
  #transport;
  #timeoutMs;
  #onError;
  #storage;
  #prefix;
  #path;
  #idName;
  #waits;
  #complete;
  #onSettled;
  #entries = []; // in order; those of the request under way are marked `isSent`
  #atOnce = MOST_AT_ONCE;
  #isRunning = false;
  #wake = () => {};

  /**
   * Events that `waits` is true for stay behind until `resume`; `complete` returns an event as it is sent. `onSettled`
   * hears of each event with its receipt, or without one after an error.
   */
  constructor(transport, options) {
    const { timeoutMs, onError, storage, prefix } = options;
    this.#transport = transport;
    this.#timeoutMs = timeoutMs;
    this.#onError = onError;
    this.#storage = storage;
    this.#prefix = prefix;
    this.#path = options.path || PATH;
    this.#idName = options.idName || "event_id";
    this.#waits = options.waits || (() => false);
    this.#complete = options.complete || ((event) => event);
    this.#onSettled = options.onSettled || (() => {});
    for (const event of this.#stored()) this.#enqueue(event);
  }

  get size() {
    return this.#entries.length;
  }

  /** The events that the server has not answered. */
  get events() {
    return this.#entries.map(({ event }) => event);
  }

  /** Send what waited and does not wait any more. */
  resume() {
    this.#run();
  }

  /** Send an outcome; return a promise of its receipt, which waits for as long as the server is away. */
  add(event) {
    if (this.size >= MOST_WAITING) this.#settle(this.#entries[0], { error: new Error("too many outcomes are waiting") });
    this.#store(event);
    return this.#enqueue(event);
  }

  #enqueue(event) {
    const entry = { event };
    const receipt = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
    // Whoever does not wait for the receipt hears of the error by `onError`, not by a crash.
    receipt.catch(() => {});
    this.#entries.push(entry);
    this.#run();
    return receipt;
  }

  /** Wait until all are answered, at most so long; return how many are not. Tries again at once. */
  async flush(timeoutMs) {
    const end = performance.now() + timeoutMs;
    this.#wake();
    while (this.size && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
    return this.size;
  }

  /** Send what is not under way, in requests that outlive the page. */
  sendBeforeUnload() {
    const rest = this.#ready.filter((entry) => !entry.isSent);
    for (let start = 0; start < rest.length; start += MOST_AT_ONCE) {
      this.#post(rest.slice(start, start + MOST_AT_ONCE)).catch(() => {});
    }
  }

  get #ready() {
    return this.#entries.filter(({ event }) => !this.#waits(event));
  }

  async #run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    await null; // outcomes of the same moment go together
    for (let failures = 0; ; ) {
      const batch = this.#ready.slice(0, this.#atOnce);
      if (!batch.length) break;
      try {
        await this.#post(batch);
        failures = 0;
        this.#atOnce = Math.min(MOST_AT_ONCE, this.#atOnce * 2);
      } catch (error) {
        if (error.isTemporary) await this.#pause(backoffMs(failures++, error.retryAfter));
        // A list is refused as a whole for one of its outcomes; with a wrong key, all are.
        else if (batch.length > 1 && error.status !== 401) this.#atOnce = 1;
        else for (const entry of batch) this.#settle(entry, { error });
      }
    }
    this.#isRunning = false;
  }

  async #post(batch) {
    for (const entry of batch) entry.isSent = true;
    const body = batch.map(({ event }) => this.#complete(event));
    const options = { body, timeoutMs: this.#timeoutMs, keepalive: true };
    try {
      const { results } = await this.#transport.send("POST", this.#path, options);
      if (results?.length !== batch.length) throw new Tap2Error("unexpected", "no receipts", { status: 502 });
      batch.forEach((entry, index) => this.#settle(entry, { receipt: results[index] }));
    } finally {
      for (const entry of batch) entry.isSent = false;
    }
  }

  #settle(entry, { receipt, error }) {
    const index = this.#entries.indexOf(entry);
    if (index < 0) return;
    this.#entries.splice(index, 1);
    this.#unstore(entry.event);
    this.#onSettled(entry.event, receipt);
    if (error) {
      entry.reject(error);
      this.#onError(error, entry.event);
    } else entry.resolve(receipt);
  }

  /** Wait for the next attempt, or until `flush`; does not keep a Node process alive. */
  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      timer.unref?.();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  // A page that is left before the server answered finds its outcomes again when the shop's next page loads.

  #stored() {
    try {
      const names = Object.keys(this.#storage || {}).filter((name) => name.startsWith(this.#prefix));
      return names.map((name) => JSON.parse(this.#storage.getItem(name)));
    } catch {
      return [];
    }
  }

  #store(event) {
    try {
      this.#storage?.setItem(this.#prefix + event[this.#idName], JSON.stringify(event));
    } catch {
      // Storage is full or forbidden: the outcome is in memory all the same.
    }
  }

  #unstore(event) {
    try {
      this.#storage?.removeItem(this.#prefix + event[this.#idName]);
    } catch {
      // As above.
    }
  }
}
