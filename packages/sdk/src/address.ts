import path from "node:path";
import { IsthmusError } from "@isthmus/contract";
import { checkClientCertificate } from "./client-certificate.ts";

/** Where a daemon is and what it needs to let us in. */
export interface IsthmusOptions {
  /** path of the daemon's Unix socket; default `$ISTHMUS_SOCKET`, else `isthmus/isthmus.sock` under `/run` (root) or `$XDG_RUNTIME_DIR` */
  readonly socketPath?: string;
  /** `https://HOST:PORT` of a daemon that listens on TCP, instead of a socket */
  readonly url?: string;
  /** bearer token, needed with `url`; on a socket, whose owner needs none, its rights are those in force */
  readonly token?: string;
  /** PEM of the certificate authority that signed the daemon's certificate; the system's authorities when absent */
  readonly ca?: string | Buffer;
  /** PEM of this client's certificate, with those between it and its authority; for a daemon that asks for one */
  readonly certificate?: string | Buffer;
  /** PEM of the certificate's key, not encrypted */
  readonly key?: string | Buffer;
}

export interface TlsAddress {
  readonly kind: "tls";
  readonly host: string;
  readonly port: number;
  readonly token: string;
  readonly ca?: string | Buffer;
  readonly certificate?: string | Buffer;
  readonly key?: string | Buffer;
  readonly label: string;
}

export type Address =
  | { readonly kind: "socket"; readonly socketPath: string; readonly token?: string; readonly label: string }
  | TlsAddress;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The socket path that daemon and clients agree on when nothing else is said.
 * @param env environment to look in
 * @param uid numeric user id; 0 is root
 */
export function defaultSocketPath(env: Environment = process.env, uid: number = process.getuid?.() ?? 0): string {
  if (env.ISTHMUS_SOCKET) return env.ISTHMUS_SOCKET;
  if (uid === 0) return "/run/isthmus/isthmus.sock";
  return path.join(env.XDG_RUNTIME_DIR || `/run/user/${uid}`, "isthmus", "isthmus.sock");
}

function bad(field: string, value: string, reason: string, cause?: unknown): IsthmusError {
  return new IsthmusError("CONFIG_INVALID", { field, value, reason }, { cause });
}

/** Throws CONFIG_INVALID. */
export function parseAddress(options: IsthmusOptions): Address {
  const { ca, certificate, key } = options;
  if (options.url === undefined) {
    if (certificate !== undefined || key !== undefined)
      throw bad("url", "(none)", "a client certificate is given, which is for a daemon on TCP: name it by its url");
    const socketPath = options.socketPath ?? defaultSocketPath();
    return { kind: "socket", socketPath, label: socketPath, ...(options.token ? { token: options.token } : {}) };
  }
  if (options.socketPath !== undefined) throw bad("url", options.url, "socketPath is given as well");
  let url: URL;
  try {
    url = new URL(options.url);
  } catch (cause) {
    throw bad("url", options.url, "it is not a URL", cause);
  }
  if (url.protocol !== "https:") throw bad("url", options.url, "only https is spoken over TCP");
  if (!options.token) throw bad("token", "(none)", "a daemon on TCP asks for a token");
  const port = url.port === "" ? 443 : Number(url.port);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  checkClientCertificate(certificate, key);
  return { kind: "tls", host, port, token: options.token, label: url.origin, ca, certificate, key };
}

/** What a TLS connection to the daemon is made with. */
export function tlsOptions({ ca, certificate, key }: TlsAddress) {
  return { ca, cert: certificate, key, minVersion: "TLSv1.3" } as const;
}
