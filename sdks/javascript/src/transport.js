// One HTTP exchange that ends in time, and when to repeat it.

import { Tap2Error, errorOf } from "./errors.js";

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 30_000;
const LONGEST_RETRY_AFTER_SECONDS = 10;
// Browsers refuse requests that outlive the page once 64 KiB of them are under way.
const MOST_KEEPALIVE_LENGTH = 30_000;

/**
 * Return how long to wait before the next attempt: exponential backoff with full jitter, so that clients of a server
 * that comes back do not ask in step, and never less than the server said.
 */
export function backoffMs(attempt, retryAfter = 0) {
  return retryAfter * 1000 + Math.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
}

export function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

export class Transport {
  #url;
  #key;
  #fetch;
  #hasWarned = false;

  constructor({ url, key, fetch }) {
    this.#url = url.replace(/\/+$/, "");
    this.#key = key;
    this.#fetch = fetch || globalThis.fetch.bind(globalThis);
  }

  /** Send one request; return the JSON of its answer. Throws Tap2Error, at the latest after `timeoutMs`. */
  async send(method, path, { body, headers, timeoutMs, keepalive } = {}) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const controller = new AbortController();
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => {
        reject(new Tap2Error("timeout", `no answer within ${Math.round(timeoutMs)} ms`));
        controller.abort();
      }, timeoutMs);
    });
    const request = {
      method,
      body: text,
      headers: { authorization: `Bearer ${this.#key}`, ...(text && { "content-type": "application/json" }), ...headers },
      signal: controller.signal,
      keepalive: Boolean(keepalive && text.length < MOST_KEEPALIVE_LENGTH),
      credentials: "omit",
    };
    try {
      // The race ends in time also where fetch does not heed the signal.
      return await Promise.race([this.#exchange(this.#url + path, request), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #exchange(url, request) {
    let response, text;
    try {
      response = await this.#fetch(url, request);
      const end = response.headers?.get("sunset");
      if (end && !this.#hasWarned) {
        this.#hasWarned = true;
        console.warn(`tap2: upgrade this client: ${url} ends on ${end}`);
      }
      text = await response.text();
    } catch (error) {
      throw new Tap2Error("network", String(error?.cause?.message || error?.message || error));
    }
    if (!response.ok) throw errorOf(response, text);
    try {
      return JSON.parse(text);
    } catch {
      throw new Tap2Error("unexpected", "the answer is not JSON", { status: 502 });
    }
  }

  /** As `send`, repeated only where the server said that it did nothing, and only if that still ends in time. */
  async sendInTime(method, path, options) {
    const end = performance.now() + options.timeoutMs;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.send(method, path, { ...options, timeoutMs: end - performance.now() });
      } catch (error) {
        const wait = backoffMs(attempt, error.retryAfter);
        if (!error.wasNotHandled || performance.now() + wait >= end) throw error;
        await sleep(wait);
      }
    }
  }

  /** As `send`, repeated up to `retries` times: only for what has no second effect when it is sent again. */
  async sendAgain(method, path, { retries, ...options }) {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.send(method, path, options);
      } catch (error) {
        const isSoon = !(error.retryAfter > LONGEST_RETRY_AFTER_SECONDS);
        if (!error.isTemporary || !isSoon || attempt >= retries) throw error;
        await sleep(backoffMs(attempt, error.retryAfter));
      }
    }
  }
}
