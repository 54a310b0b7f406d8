import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError } from "@isthmus/contract";

/** name and password of the only account, and its line of an htpasswd file (bcrypt) */
export const account = { username: "tester", password: "secret" } as const;
const PORTS = { first: 12_000, end: 32_000 } as const;
const HTPASSWD = "tester:$2b$05$mlasdO/1aAII2qFYDZrrK.lOjYPymNTqiOhrAfXIGIT5XldiIDV56\n";

export interface DebianRegistry extends AsyncDisposable {
  /** 127.0.0.1:PORT */
  readonly host: string;
  readonly folder: string;
}

/** What a registry has to know of the server that it sends everybody to. */
export interface TokenIssuer {
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** path of its certificate */
  readonly certificate: string;
}

/** Below those that the kernel gives to whoever asks for any port: another test may get one of them between here and the registry's start. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.first, PORTS.end);
    const server = createServer();
    const listens = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    server.close();
    if (listens) return port;
  }
}

/** Debian's docker-registry on a loopback port, its files below `base`. */
export async function debianRegistry(
  base: string,
  options: {
    readonly auth?: boolean;
    readonly tokens?: TokenIssuer;
    readonly tls?: { readonly certificate: string; readonly key: string };
  } = {},
): Promise<DebianRegistry> {
  const port = await freePort();
  const folder = join(base, `registry-${port}`);
  await mkdir(folder);
  await writeFile(join(folder, "htpasswd"), HTPASSWD);
  const config = {
    version: "0.1",
    log: { level: "error" },
    storage: { filesystem: { rootdirectory: join(folder, "data") } },
    http: { addr: `127.0.0.1:${port}`, ...(options.tls && { tls: options.tls }) },
    ...(options.auth === true && { auth: { htpasswd: { realm: "tests", path: join(folder, "htpasswd") } } }),
    ...(options.tokens && { auth: { token: tokenAuth(options.tokens) } }),
  };
  // JSON is YAML too.
  await writeFile(join(folder, "config.yml"), JSON.stringify(config));
  const server = spawn("docker-registry", ["serve", join(folder, "config.yml")], { stdio: ["ignore", "ignore", "pipe"] });
  const closed = once(server, "close");
  closed.catch(() => undefined);
  const host = `127.0.0.1:${port}`;
  for (let tries = 0; !(await answers(host, options.tls !== undefined)); tries += 1) {
    if (tries > 600 || server.exitCode !== null) throw new IsthmusError("INTERNAL", { reason: "docker-registry does not answer" });
    await sleep(50);
  }
  return {
    host,
    folder,
    async [Symbol.asyncDispose]() {
      server.kill("SIGKILL");
      await closed;
    },
  };
}

function tokenAuth({ realm, service, issuer, certificate }: TokenIssuer) {
  return { realm, service, issuer, rootcertbundle: certificate };
}

/** Of one with TLS a connection is enough: whom it convinces is what the tests ask. */
async function answers(host: string, tls: boolean): Promise<boolean> {
  if (tls) return await connects(Number(host.split(":")[1]));
  return await fetch(`http://${host}/v2/`).then(
    (answer) => answer.status === 200 || answer.status === 401,
    () => false,
  );
}

async function connects(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  return await promise.finally(() => socket.destroy());
}
