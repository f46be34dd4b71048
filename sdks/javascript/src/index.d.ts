/** Facts by group, such as `{ cart: { total: 12900, currency: "EUR" } }`; amounts in minor units. */
export type Context = Record<string, unknown>;
/** Candidates in the order to show them in when the server does not answer: ids, or ids with labels. */
export type Order = ReadonlyArray<string | { id: string; label?: string }>;
export type CustomerId = string | number | null;

export interface Options {
  /** The address of the server, such as `https://personalize.example.com`. */
  url: string;
  /** A publishable key (`pk_`) in browsers, a secret key (`sk_`) on servers. */
  key: string;
  /** The longest time that `decide`, `decideAll`, `getMethods` and `offers` take. Default: 800. */
  timeoutMs?: number;
  /** The longest time of one attempt of all other requests. Default: 3000. */
  requestTimeoutMs?: number;
  /** How often redemptions and questions are repeated after a temporary error. Default: 3. */
  retries?: number;
  /** Your own order of each placement. */
  fallback?: Record<string, Order>;
  /** Called with each error that a fallback order hides, and with each outcome that was refused. Default: console.warn. */
  onError?: (error: Tap2Error, event?: FeedbackEvent) => void;
  /** Where unsent outcomes survive a change of page. Default: sessionStorage in browsers; null for nowhere. */
  storage?: Storage | null;
  /** Decides where the server does not answer, instead of your own order: `offline()` of "@tap2/personalize-js/offline". */
  offline?: Offline;
  fetch?: typeof fetch;
}

/** Made by `offline()`; a client of its own for each. */
export interface Offline {
  attach(client: unknown): void;
}

export interface CallOptions {
  timeoutMs?: number;
  fallback?: Order;
}

export interface FieldProblem {
  field: string;
  message: string;
}

export interface DecisionRequest {
  placement: string;
  customer_id?: CustomerId;
  /** In browsers: proves `customer_id`; your server gets it from `customerToken`. */
  customer_token?: string | null;
  context?: Context | null;
  merchant_id?: string | null;
  /** False where the customer or their browser refuses personalization. */
  personalization?: boolean;
}

export interface BatchRequest {
  placements: string[];
  customer_id?: CustomerId;
  customer_token?: string | null;
  context?: Context | null;
  merchant_id?: string | null;
  /** False where the customer or their browser refuses personalization. */
  personalization?: boolean;
}

export interface BrowserCandidate {
  id: string;
  rank: number;
  label: string;
  /** The posterior mean of its reward. */
  score: number;
  /** The probability of being first. */
  confidence: number;
  /** The exact probability that this candidate got this slot. */
  chance: number;
}

export interface Ranked extends BrowserCandidate {
  reasons: string[];
}

export interface ExcludedCandidate {
  id: string;
}

export interface Excluded extends ExcludedCandidate {
  reason: string;
}

export interface Skipped {
  rule: string;
  field: string;
}

export type Values = Record<string, boolean | number | string>;

export interface RuleTrace {
  id: string;
  name: string;
  sentence: string;
  verdict: string;
  missing: string | null;
  clauses: unknown;
  effects: unknown[];
}

/** What each rule did with which facts. */
export interface Trace {
  facts: Record<string, unknown>;
  history: Record<string, number[]>;
  bucket: string;
  rules: RuleTrace[];
}

/** A decision as a secret key gets it. */
export interface Decision {
  decision_id: string;
  placement: string;
  plan_version: number;
  beliefs_version: number;
  ranking: Ranked[];
  excluded: Excluded[];
  values: Values;
  rules: string[];
  skipped: Skipped[];
  experiments: Record<string, string>[];
  /** The exact probability of the whole answer. */
  propensity: number;
  fallback: boolean;
  expires_at: string;
  /** False where personalization is refused: your own order, of which nothing is stored. */
  personalized?: boolean;
  /** True until the customer has answered or dismissed the consent prompt. */
  prompt_consent?: boolean;
  warnings?: FieldProblem[];
  /** With the option `explain`. */
  trace?: Trace;
  error?: undefined;
}

/** A decision as a publishable key gets it; send `token` with each outcome. */
export interface BrowserDecision {
  decision_id: string;
  placement: string;
  plan_version: number;
  ranking: BrowserCandidate[];
  excluded: ExcludedCandidate[];
  values: Values;
  fallback: boolean;
  expires_at: string;
  token: string;
  /** False where personalization is refused: your own order, of which nothing is stored. */
  personalized?: boolean;
  /** True until the customer has answered or dismissed the consent prompt. */
  prompt_consent?: boolean;
  warnings?: FieldProblem[];
  error?: undefined;
}

export interface FallbackCandidate {
  id: string;
  rank: number;
  label: string;
}

/** Your own order, because the server did not answer; `error` says why. The server does not know of it. */
export interface FallbackDecision {
  decision_id: null;
  placement: string;
  ranking: FallbackCandidate[];
  excluded: [];
  values: Record<string, never>;
  fallback: true;
  token?: undefined;
  error: Tap2Error;
}

/** Decided by the client, as the server would for a guest; `error` says why. The server hears of it later. */
export interface OfflineDecision {
  decision_id: string;
  placement: string;
  plan_version: number;
  ranking: BrowserCandidate[];
  excluded: ExcludedCandidate[];
  values: Values;
  /** The exact probability of the whole answer. */
  propensity: number;
  fallback: false;
  source: "offline";
  expires_at: string;
  token?: undefined;
  error: Tap2Error;
}

export type AnyDecision = Decision | BrowserDecision | FallbackDecision | OfflineDecision;

/** Stands in the place of a decision for a placement that does not exist and has no fallback order. */
export interface PlacementProblem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  field?: string;
  errors?: FieldProblem[];
  placement: string;
}

export interface Batch {
  decisions: (AnyDecision | PlacementProblem)[];
}

export interface Methods {
  decision_id: string;
  methods: Ranked[];
  fallback: boolean;
  token?: undefined;
  /** False where personalization is refused: your own order, of which nothing is stored. */
  personalized?: boolean;
  /** True until the customer has answered or dismissed the consent prompt. */
  prompt_consent?: boolean;
  warnings?: FieldProblem[];
  error?: undefined;
}

export interface BrowserMethods {
  decision_id: string;
  methods: BrowserCandidate[];
  fallback: boolean;
  token: string;
  /** False where personalization is refused: your own order, of which nothing is stored. */
  personalized?: boolean;
  /** True until the customer has answered or dismissed the consent prompt. */
  prompt_consent?: boolean;
  warnings?: FieldProblem[];
  error?: undefined;
}

export interface OfflineMethods {
  decision_id: string;
  methods: BrowserCandidate[];
  fallback: false;
  source: "offline";
  token?: undefined;
  error: Tap2Error;
}

export interface FallbackMethods {
  decision_id: null;
  methods: FallbackCandidate[];
  fallback: true;
  token?: undefined;
  error: Tap2Error;
}

export type OutcomeType = "shown" | "selected" | "converted" | "declined" | "abandoned" | "redeemed" | "refunded";

/** What happened after a decision or, without `decision_id`, a purchase that counts in the customer's history. */
export interface FeedbackEvent {
  /** Makes it count once, however often it is sent. Default: a random id; for purchases, give the order's. */
  event_id?: string;
  /** Of the decision; null where it was the client's fallback order, which is then not sent. */
  decision_id?: string | null;
  type?: OutcomeType | null;
  candidate_id?: string | null;
  /** In minor units. */
  amount?: number | null;
  currency?: string | null;
  occurred_at?: string | null;
  customer_id?: string | null;
  method_id?: string | null;
  token?: string | null;
  merchant_id?: string | null;
  timestamp?: string | null;
}

export interface StoredOutcome {
  decision_id: string | null;
  type: string;
  candidate_id: string | null;
  amount: number | null;
  currency: string | null;
}

export interface Receipt {
  event_id: string;
  status: "recorded" | "duplicate" | "conflict" | "unknown_decision" | "invalid";
  message?: string;
  stored?: StoredOutcome;
}

export interface Discount {
  amount: number;
  currency: string;
}

export interface OffersRequest {
  customer_id?: CustomerId;
  context?: Context | null;
  merchant_id?: string | null;
  hold?: boolean;
  personalization?: boolean;
}

export interface ShownOffer {
  id: string;
  title: string;
  terms: string;
  discount: Discount;
  discount_code: string;
  hold_id: string | null;
  expires_at: string | null;
  stackable: boolean;
  reasons: string[];
}

export interface Offers {
  decision_id: string;
  offers: ShownOffer[];
  excluded: Excluded[];
  fallback: boolean;
  disclosure: string | null;
  warnings?: FieldProblem[];
  error?: undefined;
}

export interface FallbackOffers {
  decision_id: null;
  offers: [];
  excluded: [];
  fallback: true;
  disclosure: null;
  error: Tap2Error;
}

export interface OfferAsked {
  offer_id?: string | null;
  code?: string | null;
  placement?: string;
  customer_id?: string | null;
  context?: Context | null;
}

export interface Validation {
  offer_id: string;
  valid: boolean;
  reason: string;
  discount: Discount;
}

export interface CartNow {
  total?: number | null;
  currency?: string | null;
  shipping?: number | null;
}

export interface RedemptionRequest {
  hold_id: string;
  cart?: CartNow;
  order_id?: string;
}

export interface Redemption {
  hold_id: string;
  offer_id: string;
  decision_id: string | null;
  state: "live" | "redeemed" | "released" | "expired";
  currency: string;
  held: number;
  discount: number;
  returned: number;
  order_id: string;
  code: string;
  expires_at: string;
}

export interface VariantsRequest {
  customer_id?: CustomerId;
  context?: Context | null;
  merchant_id?: string | null;
}

export interface GivenVariant {
  placement: string;
  experiment: string;
  phase: number;
  variant: string;
  counted: boolean;
}

export interface GivenVariants {
  experiments: GivenVariant[];
  warnings?: FieldProblem[];
}

export interface CustomerTokenAnswer {
  customer_token: string;
  expires_at: string;
}

export interface IdempotencyOptions {
  /** Default: a random key, the same for all attempts of this call. Give your own to repeat the call itself. */
  idempotencyKey?: string;
}

export interface Redemptions {
  validate(request: OfferAsked): Promise<Validation>;
  hold(request: OfferAsked, options?: IdempotencyOptions): Promise<Redemption>;
  redeem(request: RedemptionRequest, options?: IdempotencyOptions): Promise<Redemption>;
  release(holdId: string, options?: IdempotencyOptions): Promise<Redemption>;
  refund(holdId: string, amount: number, options?: IdempotencyOptions): Promise<Redemption>;
  get(holdId: string): Promise<Redemption>;
}

export type ErrorCode =
  | "invalid"
  | "unauthorized"
  | "forbidden"
  | "review-required"
  | "not-found"
  | "method-not-allowed"
  | "conflict"
  | "stale"
  | "too-large"
  | "key-reused"
  | "version-needed"
  | "too-many-requests"
  | "refused"
  | "unexpected"
  | "unavailable"
  | "timeout"
  | "network";

/** A request that failed; `code` is the last part of the problem's `type`, or `timeout` or `network`. */
export class Tap2Error extends Error {
  readonly code: ErrorCode;
  /** The HTTP status; 0 without an answer. */
  readonly status: number;
  /** The invalid field, a path such as `context/cart`; empty if there is none. */
  readonly field: string;
  readonly errors: FieldProblem[];
  /** Seconds after which the server expects the request again. */
  readonly retryAfter?: number;
  /** Whether the same request may succeed later. */
  readonly isTemporary: boolean;
  /** Whether the server says that it has done nothing and when to ask again. */
  readonly wasNotHandled: boolean;
}

export class Personalize {
  constructor(options: Options);
  /** Decide one placement. Throws Tap2Error only if the placement has no fallback order. */
  decide(request: DecisionRequest, options?: CallOptions & { explain?: boolean }): Promise<AnyDecision>;
  /** Decide up to ten placements in one request. */
  decideAll(request: BatchRequest, options?: { timeoutMs?: number; fallback?: Record<string, Order> }): Promise<Batch>;
  /** Order the payment methods: the placement `payment_methods`. */
  getMethods(
    customerId?: CustomerId,
    merchantId?: string | null,
    context?: Context | null,
    options?: CallOptions & { customerToken?: string },
  ): Promise<Methods | BrowserMethods | OfflineMethods | FallbackMethods>;
  /** Report an outcome. You may wait for the receipt, but need not. */
  trackFeedback(event: FeedbackEvent): Promise<Receipt>;
  /** Show and hold offers. Needs a secret key. */
  offers(request?: OffersRequest, options?: { timeoutMs?: number }): Promise<Offers | FallbackOffers>;
  /** Return a customer's variants in all running experiments. Needs a secret key. */
  variants(request: VariantsRequest): Promise<GivenVariants>;
  /** Create the token with which a browser may name its customer. Needs a secret key. */
  customerToken(customerId: string, minutes?: number): Promise<CustomerTokenAnswer>;
  /** Needs a secret key. */
  readonly redemptions: Redemptions;
  /** Wait until all outcomes are answered, at most so long (default: 5000); resolves with how many are not. */
  flush(timeoutMs?: number): Promise<number>;
  /** Flush, and stop listening to the page. */
  close(timeoutMs?: number): Promise<number>;
}
