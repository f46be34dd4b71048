export { Personalize } from "./client.js";
export { Tap2Error } from "./errors.js";
