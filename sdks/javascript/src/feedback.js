// Outcomes on their way to the server: kept until it has answered, sent again under the same event id.

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
  #entries = []; // in order; those of the request under way are marked `isSent`
  #atOnce = MOST_AT_ONCE;
  #isRunning = false;
  #wake = () => {};

  constructor(transport, { timeoutMs, onError, storage, prefix }) {
    this.#transport = transport;
    this.#timeoutMs = timeoutMs;
    this.#onError = onError;
    this.#storage = storage;
    this.#prefix = prefix;
    for (const event of this.#stored()) this.#enqueue(event);
  }

  get size() {
    return this.#entries.length;
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
    const rest = this.#entries.filter((entry) => !entry.isSent);
    for (let start = 0; start < rest.length; start += MOST_AT_ONCE) {
      this.#post(rest.slice(start, start + MOST_AT_ONCE)).catch(() => {});
    }
  }

  async #run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    await null; // outcomes of the same moment go together
    for (let failures = 0; this.size; ) {
      const batch = this.#entries.slice(0, this.#atOnce);
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
    const options = { body: batch.map((entry) => entry.event), timeoutMs: this.#timeoutMs, keepalive: true };
    try {
      const { results } = await this.#transport.send("POST", PATH, options);
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
      this.#storage?.setItem(this.#prefix + event.event_id, JSON.stringify(event));
    } catch {
      // Storage is full or forbidden: the outcome is in memory all the same.
    }
  }

  #unstore(event) {
    try {
      this.#storage?.removeItem(this.#prefix + event.event_id);
    } catch {
      // As above.
    }
  }
}
