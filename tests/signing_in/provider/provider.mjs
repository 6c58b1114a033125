// The identity provider of the tests, on loopback. It is told by a file (its only argument): port, client
// and people, who are read anew on every question; SIGHUP has it take new keys, as a provider does.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const told = () => JSON.parse(readFileSync(process.argv[2], "utf8"));
const { issuer, port } = told();

function key() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: randomBytes(6).toString("hex"), use: "sig", alg: "RS256" };
}

function provider() {
  return new Provider(issuer, {
    clients: [told().client],
    jwks: { keys: [key()] },
    cookies: { keys: ["a-key-of-the-tests"] },
    pkce: { required: () => true },
    scopes: ["openid", "profile", "email", "groups"],
    claims: {
      openid: ["sub"],
      profile: ["preferred_username", "given_name", "family_name", "name"],
      email: ["email", "email_verified"],
      groups: ["groups"],
    },
    conformIdTokenClaims: told().thin ?? false,
    issueRefreshToken: async () => told().refresh ?? true,
    rotateRefreshToken: true,
    // Its own guard lets nothing go to loopback, where the tests are.
    fetch: (url, { method, headers, body }) => globalThis.fetch(url, { method, headers, body }),
    features: { backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true } },
    // Consent is asked of nobody: that page is the provider's own matter.
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope("openid profile email groups");
      await grant.save();
      return grant;
    },
    async findAccount(ctx, id) {
      const person = told().people[id];
      return person && { accountId: id, claims: async () => ({ sub: id, ...person }) };
    },
  });
}

let answer = provider().callback();
process.on("SIGHUP", () => { answer = provider().callback(); });
createServer((request, response) => answer(request, response)).listen(port, "127.0.0.1");
