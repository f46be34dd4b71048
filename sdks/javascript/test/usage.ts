// Compiled, not run: what a shop written in TypeScript does with the types.
import { Personalize, Tap2Error, type AnyDecision } from "@tap2/personalize-js";
import { promptConsent } from "@tap2/personalize-js/consent";

const client = new Personalize({
  url: "https://personalize.example.com",
  key: "pk_live_x",
  fallback: { payment_methods: ["card", { id: "paypal", label: "PayPal" }] },
});

export async function show(): Promise<string[]> {
  const decision: AnyDecision = await client.decide({ placement: "payment_methods", context: { geo: { country: "DE" } } });
  await client.trackFeedback({ decision_id: decision.decision_id, type: "shown", token: "token" in decision ? decision.token : null });
  if (decision.error) console.warn(decision.error.code, decision.error.retryAfter);
  if ("propensity" in decision) console.log(decision.propensity);
  return decision.ranking.map((candidate) => candidate.label);
}

export async function pay(holdId: string): Promise<number> {
  try {
    return (await client.redemptions.redeem({ hold_id: holdId, cart: { total: 12900, currency: "EUR" } })).discount;
  } catch (error) {
    if (error instanceof Tap2Error && error.code === "conflict") return 0;
    throw error;
  }
}

// @ts-expect-error a type of outcome that does not exist
client.trackFeedback({ decision_id: "dec_1", type: "clicked" });
// @ts-expect-error the placement is required
client.decide({ customer_id: "c_1" });

export async function allows(customerToken: string): Promise<boolean> {
  const consent = await promptConsent({ url: "https://personalize.example.com", key: "pk_live_x", customerId: 7, customerToken });
  return consent?.purposes.some(({ purpose, allowed }) => purpose === "analytics" && allowed) ?? false;
}
