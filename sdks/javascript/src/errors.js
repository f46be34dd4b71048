// Errors of the API as RFC 9457 describes them, and those of the way to the API.

const PREFIX = "urn:tap2:problem:";

/** A request that failed. `code` is for programs, `message` for people; `retryAfter` is in seconds. */
export class Tap2Error extends Error {
  constructor(code, message, { status = 0, problem = {}, retryAfter } = {}) {
    super(message);
    this.name = "Tap2Error";
    this.code = code;
    this.status = status;
    this.field = problem.field || "";
    this.errors = problem.errors || [];
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed later. */
  get isTemporary() {
    return this.code === "network" || this.code === "timeout" || this.status === 429 || this.status >= 500;
  }

  /** Whether the server says that it has done nothing and when to ask again. */
  get wasNotHandled() {
    return (this.status === 429 || this.status === 503) && this.retryAfter !== undefined;
  }
}

/** Return the error that a response means; `text` is its body, which a proxy may have written. */
export function errorOf(response, text) {
  const problem = parsed(text);
  const known = typeof problem.type === "string" && problem.type.startsWith(PREFIX);
  const code = known ? problem.type.slice(PREFIX.length) : "unexpected";
  const message = problem.detail || problem.title || `HTTP status ${response.status}`;
  const seconds = Number.parseFloat(response.headers.get("retry-after"));
  const retryAfter = seconds >= 0 ? seconds : undefined;
  return new Tap2Error(code, message, { status: response.status, problem, retryAfter });
}

function parsed(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
