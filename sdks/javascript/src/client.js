// The client: one method an operation of the API.

import { Tap2Error } from "./errors.js";
import { FeedbackQueue } from "./feedback.js";
import { Transport } from "./transport.js";

const DECISIONS = "/v1/personalize/decisions";
const OFFERS = "/v1/personalize/offers";
const VARIANTS = "/v1/personalize/variants";
const CUSTOMER_TOKENS = "/v1/personalize/customer-tokens";
const REDEMPTIONS = "/v1/redemptions";
const METHODS = "payment_methods";
const isBrowser = typeof document !== "undefined" && typeof window !== "undefined";

export class Personalize {
  #transport;
  #feedback;
  #offline;
  #options;
  #unload;

  constructor(options) {
    const { url, key } = options;
    if (!url || !key) throw new TypeError("url and key are required");
    if (isBrowser && key.startsWith("sk_")) throw new TypeError("a secret key must not reach a browser");
    this.#options = { timeoutMs: 800, requestTimeoutMs: 3000, retries: 3, fallback: {}, onError: warn, ...options };
    this.#transport = new Transport(options);
    const offline = (this.#offline = options.offline);
    const queue = (prefix, more) =>
      new FeedbackQueue(this.#transport, {
        timeoutMs: this.#options.requestTimeoutMs,
        onError: (error, event) => this.#report(error, event),
        storage,
        prefix: `${prefix}:${key.slice(-8)}:`,
        ...more,
      });
    const storage = options.storage === undefined ? sessionStorageOfPage() : options.storage;
    offline?.attach({
      transport: this.#transport,
      timeoutMs: this.#options.requestTimeoutMs,
      report: (error) => this.#report(error),
      refuse: (message) => this.#report(new Tap2Error("refused", message)),
      resume: () => this.#feedback.resume(),
      key,
      storage,
      queue,
    });
    this.#feedback = queue("tap2", offline && { waits: offline.waits, complete: offline.complete });
    if (isBrowser) {
      this.#unload = ({ type }) => {
        if (type !== "pagehide" && document.visibilityState !== "hidden") return;
        this.#offline?.sendBeforeUnload();
        this.#feedback.sendBeforeUnload();
      };
      document.addEventListener("visibilitychange", this.#unload);
      addEventListener("pagehide", this.#unload);
    }
    /** Redemptions of offers, for secret keys. Each call has an Idempotency-Key, and is repeated with the same. */
    this.redemptions = {
      validate: (request, options) => this.#repeat("POST", `${REDEMPTIONS}/validate`, request, options),
      hold: (request, options) => this.#once(`${REDEMPTIONS}/hold`, request, options),
      redeem: (request, options) => this.#once(`${REDEMPTIONS}/redeem`, request, options),
      release: (holdId, options) => this.#once(`${pathOf(holdId)}/release`, undefined, options),
      refund: (holdId, amount, options) => this.#once(`${pathOf(holdId)}/refund`, { amount }, options),
      get: (holdId) => this.#repeat("GET", pathOf(holdId)),
    };
  }

  /** Decide one placement; in time, and by the fallback order where the server does not answer. */
  async decide(request, options = {}) {
    const path = options.explain ? `${DECISIONS}?explain=true` : DECISIONS;
    try {
      const answer = await this.#inTime(path, request, options);
      this.#offline?.note(request, answer);
      return answer;
    } catch (error) {
      return this.#withoutServer(request, error, options.fallback);
    }
  }

  /** Decide up to ten placements in one request. */
  async decideAll(request, options = {}) {
    const orders = options.fallback || {};
    let decisions;
    try {
      ({ decisions } = await this.#inTime(`${DECISIONS}/batch`, request, options));
    } catch (error) {
      const each = (placement) => this.#withoutServer({ ...request, placement }, error, orders[placement]);
      return { decisions: request.placements.map(each) };
    }
    return {
      decisions: decisions.map((item) => {
        const order = item.status && (orders[item.placement] || this.#options.fallback[item.placement]);
        const problem = order && new Tap2Error("not-found", item.detail, { status: item.status, problem: item });
        return order ? this.#fallback(item.placement, problem, order) : item;
      }),
    };
  }

  /** Order the payment methods. The customer's id goes in the body, never in a URL. */
  async getMethods(customerId, merchantId, context, options = {}) {
    const request = { placement: METHODS, customer_id: customerId, merchant_id: merchantId, context };
    if (options.customerToken) request.customer_token = options.customerToken;
    const { decision_id, ranking, fallback, source, token, warnings, error } = await this.decide(request, options);
    return {
      decision_id,
      methods: ranking,
      fallback,
      ...(source && { source }),
      ...(token && { token }),
      ...(warnings && { warnings }),
      ...(error && { error }),
    };
  }

  /** Report what happened after a decision. Resolves with the receipt as soon as the server has stored it. */
  trackFeedback(event) {
    // Not async: that would make another promise, whose rejection nobody handles.
    if (event.decision_id === null) {
      const message = "the answer was the client's fallback order, which the server does not know";
      return Promise.resolve({ event_id: event.event_id || "", status: "unknown_decision", message });
    }
    const sent = { ...event, event_id: event.event_id || randomId() };
    // The clock of a visitor may be wrong by hours, and the server refuses the future.
    if (!isBrowser && !event.occurred_at && !event.timestamp) sent.occurred_at = new Date().toISOString();
    return this.#feedback.add(sent);
  }

  /** Show and hold offers (secret key); none where the server does not answer. */
  async offers(request = {}, options = {}) {
    this.#needsSecret();
    try {
      return await this.#inTime(OFFERS, request, options);
    } catch (error) {
      this.#report(error);
      return { decision_id: null, offers: [], excluded: [], fallback: true, disclosure: null, error };
    }
  }

  /** Return a customer's variants in all running experiments (secret key). */
  async variants(request) {
    return this.#repeat("POST", VARIANTS, request);
  }

  /** Create the token with which a browser may name its customer (secret key). */
  async customerToken(customerId, minutes = 30) {
    return this.#repeat("POST", CUSTOMER_TOKENS, { customer_id: customerId, minutes });
  }

  /** Wait until the server has answered all feedback; resolves with the number that it has not. */
  async flush(timeoutMs = 5000) {
    const end = performance.now() + timeoutMs;
    const left = (await this.#offline?.flush(timeoutMs)) || 0;
    return left + (await this.#feedback.flush(end - performance.now()));
  }

  /** Flush, and stop listening to the page. */
  async close(timeoutMs) {
    const left = await this.flush(timeoutMs);
    this.#offline?.close();
    if (isBrowser) {
      document.removeEventListener("visibilitychange", this.#unload);
      removeEventListener("pagehide", this.#unload);
    }
    return left;
  }

  #inTime(path, body, { timeoutMs = this.#options.timeoutMs } = {}) {
    return this.#transport.sendInTime("POST", path, { body, timeoutMs });
  }

  async #repeat(method, path, body, { headers } = {}) {
    this.#needsSecret();
    const { requestTimeoutMs: timeoutMs, retries } = this.#options;
    return this.#transport.sendAgain(method, path, { body, headers, timeoutMs, retries });
  }

  async #once(path, body, { idempotencyKey = randomId() } = {}) {
    return this.#repeat("POST", path, body, { headers: { "idempotency-key": idempotencyKey } });
  }

  #needsSecret() {
    if (this.#options.key.startsWith("pk_")) {
      throw new Tap2Error("forbidden", "this needs a secret key, on your server", { status: 403 });
    }
  }

  /** Decide by a snapshot, or return the merchant's own order. */
  #withoutServer(request, error, order) {
    const decision = this.#offline?.decide(request, error);
    if (!decision) return this.#fallback(request.placement, error, order);
    this.#report(error);
    return decision;
  }

  /** Return the merchant's own order, marked; throw the error where there is none. */
  #fallback(placement, error, order = this.#options.fallback[placement]) {
    if (!order) throw error;
    this.#report(error);
    const ranking = order.map((item, index) => {
      const { id, label = id } = typeof item === "string" ? { id: item } : item;
      return { id, rank: index + 1, label };
    });
    return { decision_id: null, placement, ranking, excluded: [], values: {}, fallback: true, error };
  }

  #report(error, event) {
    try {
      this.#options.onError(error, event);
    } catch {
      // The checkout goes on, whatever its own reporting does.
    }
  }
}

function warn(error, event) {
  console.warn(`tap2: ${error.message}`, error.code || "", event ? event.event_id : "");
}

function pathOf(holdId) {
  return `${REDEMPTIONS}/${encodeURIComponent(holdId)}`;
}

function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function sessionStorageOfPage() {
  try {
    return isBrowser ? sessionStorage : null;
  } catch {
    return null; // forbidden by the visitor
  }
}
