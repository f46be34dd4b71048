// Decide with the types that openapi-typescript made; the arguments are the server and a key.
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

const [baseUrl, key] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const { data, error } = await client.POST("/v1/personalize/decisions", {
  body: {
    placement: "payment_methods",
    customer_id: "c_123",
    context: { geo: { country: "DE" }, cart: { total: 12900, currency: "EUR" } },
  },
});
if (!data) throw new Error(JSON.stringify(error));
console.log(data.ranking.map((ranked) => ranked.id).join());
