import { type TLSSocket, Server as TlsServer } from "node:tls";
import { IsthmusError } from "@isthmus/contract";
import { buildApp } from "./app.ts";
import { CLOSE_GRACE_MS, TOKEN_MIN_CHARS } from "./config.ts";
import type { App, DoorContext, DoorDeps } from "./deps.ts";
import { checkAsksAlike, checkTls, invalid, type TlsKeys, tlsOptions } from "./tls-keys.ts";
import { listenOnSocket } from "./unix-socket.ts";

export interface TcpOptions {
  readonly host: string;
  /** 0 takes a free one */
  readonly port: number;
  readonly tls: TlsKeys;
  /** a token that may do everything, beside those that are made with the API; 16 characters at least */
  readonly token?: string;
}

export interface ListenOptions {
  /** made with mode 0600; its folder too when missing (0700) */
  readonly socketPath?: string;
  readonly tcp?: TcpOptions;
}

export interface HttpDoor {
  /** Opens for requests. Throws CONFIG_INVALID. The answer tells the real TCP port. */
  listen(options: ListenOptions): Promise<{ readonly tcpPort?: number }>;
  /** From now on new connections are met with these keys and authorities; those that are open go on. Throws CONFIG_INVALID, and nothing changes. */
  renew(tls: TlsKeys): void;
  /** Refuses new requests, ends streams, lets short answers finish for a bounded time. */
  close(): Promise<void>;
  /** the application without a listener, for requests in process */
  readonly app: App;
}

/** Our own HTTP API over the core's actions. */
export async function createHttpDoor(deps: DoorDeps): Promise<HttpDoor> {
  const closing = new AbortController();
  const context: DoorContext = { closing: closing.signal, sessions: 0 };
  const app = await buildApp(deps, context);
  const apps: App[] = [app];
  let inForce: TlsKeys | undefined;
  return {
    app,
    async listen({ socketPath, tcp }) {
      if (tcp) checkTcp(tcp);
      if (socketPath !== undefined) await listenOnSocket(app, socketPath);
      if (!tcp) return {};
      const secured = await buildApp(deps, context, { tls: tcp.tls, authority: { owner: false, hostToken: tcp.token } });
      secured.server.on("tlsClientError", (error: NodeJS.ErrnoException, { authorizationError }: TLSSocket) => {
        deps.log.debug({ reason: authorizationError ?? error.code }, "a TLS handshake failed");
      });
      apps.push(secured);
      inForce = tcp.tls;
      await secured.listen({ host: tcp.host, port: tcp.port }).catch((cause: Error) => {
        throw new IsthmusError("CONFIG_INVALID", { field: "tcp", value: `${tcp.host}:${tcp.port}`, reason: cause.message }, { cause });
      });
      const address = secured.server.address();
      return typeof address === "object" && address !== null ? { tcpPort: address.port } : {};
    },
    renew(tls) {
      checkTls(tls);
      if (inForce !== undefined) checkAsksAlike(inForce, tls);
      for (const { server } of apps) if (server instanceof TlsServer) server.setSecureContext(tlsOptions(tls));
    },
    async close() {
      closing.abort(new IsthmusError("SHUTTING_DOWN"));
      const timer = setTimeout(() => {
        for (const each of apps) each.server.closeAllConnections();
      }, CLOSE_GRACE_MS);
      await Promise.all(apps.map(closeApp));
      clearTimeout(timer);
    },
  };
}

/** fastify closes a server only that it made listen itself, which the socket's was not. */
async function closeApp(app: App): Promise<void> {
  const closed = new Promise<void>((resolve) => app.server.close(() => resolve()));
  app.server.closeIdleConnections();
  await app.close();
  await closed;
}

function checkTcp(tcp: TcpOptions): void {
  if (tcp.token !== undefined && tcp.token.length < TOKEN_MIN_CHARS)
    throw invalid("tcp.token", "(hidden)", `a token has ${TOKEN_MIN_CHARS} characters or more`);
  if (tcp.token !== undefined && !/^[\x21-\x7e]+$/.test(tcp.token))
    throw invalid("tcp.token", "(hidden)", "it must be visible ASCII characters");
  checkTls(tcp.tls);
}
