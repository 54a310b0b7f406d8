import { execFile } from "node:child_process";
import { randomUUID, sign, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { account, type TokenIssuer } from "./debian-registry.fixture.ts";

const run = promisify(execFile);
const VALID_S = 300;

export interface TokenServer extends TokenIssuer, AsyncDisposable {
  /** scopes of each request, in order */
  readonly asked: (readonly string[])[];
  /** which scopes the account may have */
  grants: (scope: string) => boolean;
  /** refuses a request of which it would not grant all */
  strict: boolean;
}

/** A token server for the one account, whose signatures a real registry believes ("Token Authentication Specification" of the distribution project). */
export async function tokenServer(base: string): Promise<TokenServer> {
  const [key, certificate] = [join(base, "token.key"), join(base, "token.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await run("openssl", ["req", "-x509", ...curve, "-keyout", key, "-subj", "/CN=tokens", "-out", certificate, "-days", "1"]);
  const [secret, { raw }] = [await readFile(key, "utf8"), new X509Certificate(await readFile(certificate))];
  const names = { service: "tests", issuer: "tokens" } as const;
  const basic = `Basic ${Buffer.from(`${account.username}:${account.password}`).toString("base64")}`;
  const state = { asked: [] as (readonly string[])[], grants: (_: string): boolean => true, strict: false };

  const tokenFor = (scopes: readonly string[]): string => {
    const now = Math.floor(Date.now() / 1000);
    const access = scopes.map((scope) => {
      const [type = "", name = "", actions = ""] = scope.split(":");
      return { type, name, actions: actions.split(",") };
    });
    const claims = { iss: names.issuer, sub: account.username, aud: names.service, jti: randomUUID(), access };
    const parts = [
      { typ: "JWT", alg: "ES256", x5c: [raw.toString("base64")] },
      { ...claims, iat: now, nbf: now - 10, exp: now + VALID_S },
    ].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
    const signed = parts.join(".");
    return `${signed}.${sign("sha256", Buffer.from(signed), { key: secret, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
  };

  const server = createServer((request, response) => {
    const scopes = new URL(request.url ?? "/", "http://localhost").searchParams.getAll("scope");
    state.asked.push(scopes);
    const granted = scopes.filter((scope) => state.grants(scope));
    if (request.headers.authorization !== basic || (state.strict && granted.length < scopes.length)) response.writeHead(403).end();
    else response.end(JSON.stringify({ token: tokenFor(granted) }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return Object.assign(state, names, {
    realm: `http://127.0.0.1:${port}/token`,
    certificate,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  });
}
