// A server that answers each request as the test says, and remembers what it got.
import { createServer } from "node:http";

export async function fakeServer(answer) {
  const requests = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const seen = { method: request.method, path: request.url, headers: request.headers, body: text && JSON.parse(text) };
    requests.push(seen);
    answer(seen, {
      json(status, body, headers = {}) {
        response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
      },
      problem(status, kind, more = {}, headers = {}) {
        this.json(status, { type: `urn:tap2:problem:${kind}`, title: kind, status, ...more }, headers);
      },
      reset: () => request.socket.destroy(),
      raw: response,
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}`, requests, close };
}

export const receiptsOf = (events) => ({ results: events.map(({ event_id }) => ({ event_id, status: "recorded" })) });
