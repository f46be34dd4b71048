// An OpenID provider for tests: `node serve.mjs CLAIMS.json` prints its issuer. Whoever comes is logged in at once as
// the person in the file, which is read again for each token.
import { readFileSync } from "node:fs";
import { OAuth2Server } from "oauth2-mock-server";

const file = process.argv[2];
const server = new OAuth2Server();
await server.issuer.keys.generate("RS256");

server.service.on("beforeTokenSigning", (token) => {
  const { userinfo, ...claims } = JSON.parse(readFileSync(file, "utf-8"));
  Object.assign(token.payload, claims);
});
server.service.on("beforeUserinfo", (response) => {
  response.body = JSON.parse(readFileSync(file, "utf-8")).userinfo ?? {};
});

await server.start(0, "127.0.0.1");
console.log(server.issuer.url);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
