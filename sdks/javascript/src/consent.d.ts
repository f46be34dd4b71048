export type ConsentState = "accepted" | "refused" | "unknown";

export interface ConsentInForce {
  version: number;
  /** Each purpose, what the customer said of it, and whether it is allowed. */
  purposes: { purpose: string; state: ConsentState; allowed: boolean }[];
  /** False where the customer refuses personalization. */
  personalized: boolean;
  /** The customer was not asked yet, and should be. */
  prompt: boolean;
}

export interface PromptOptions {
  /** The address of the server, such as `https://personalize.example.com`. */
  url: string;
  /** A publishable key (`pk_`). */
  key: string;
  customerId: string | number;
  /** Proves `customerId`; your server gets it from `customerToken`. */
  customerToken: string;
  /** A tag such as `de-AT`. Default: the language of the page. */
  language?: string;
  /** Ask also customers who answered before, such as behind a link "Privacy settings". Default: false. */
  again?: boolean;
  /** The longest time of a request. Default: 5000. */
  timeoutMs?: number;
  /** Called with an error of the network or the server. Default: console.warn. */
  onError?: (error: Error) => void;
  fetch?: typeof fetch;
}

/**
 * Ask a customer for consent, and record the choice. Resolves with the consent in force, or with null where there is
 * nothing to ask or the server does not answer. Never rejects.
 */
export function promptConsent(options: PromptOptions): Promise<ConsentInForce | null>;
