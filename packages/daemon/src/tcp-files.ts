import { readFileSync, statSync } from "node:fs";
import { IsthmusError } from "@isthmus/contract";
import type { Log } from "@isthmus/core";
import type { HttpDoor, TcpOptions, TlsKeys } from "@isthmus/door-http";
import { type TcpConfig, TLS_LOOK_MS } from "./config.ts";

/** What the TCP listener needs of files. Throws CONFIG_INVALID. */
export function readTcpFiles(tcp: TcpConfig): TcpOptions {
  const token = tcp.tokenPath === undefined ? {} : { token: read("ISTHMUS_TOKEN_FILE", tcp.tokenPath).trim() };
  return { host: tcp.host, port: tcp.port, tls: readTls(tcp), ...token };
}

function readTls({ certPath, keyPath }: TcpConfig): TlsKeys {
  return { cert: read("ISTHMUS_TLS_CERT", certPath), key: read("ISTHMUS_TLS_KEY", keyPath) };
}

function read(field: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "unreadable";
    throw new IsthmusError("CONFIG_INVALID", { field, value: path, reason }, { cause });
  }
}

export interface TlsWatch {
  /** Takes up what is in the files when they have changed, or `anew` in any case. */
  look(anew: boolean): void;
  stop(): void;
}

/** A certificate that is renewed is taken up without a restart. Files that do not do leave the ones in force, and are looked at again when they change. */
export function watchTls(tcp: TcpConfig | undefined, door: Pick<HttpDoor, "renew">, log: Log): TlsWatch {
  if (tcp === undefined) return { look: () => undefined, stop: () => undefined };
  let seen = stamp(tcp);
  const look = (anew: boolean) => {
    const now = stamp(tcp);
    if (!anew && now === seen) return;
    seen = now;
    try {
      door.renew(readTls(tcp));
      log.info({ certificate: tcp.certPath }, "took up the certificate anew");
    } catch (error) {
      log.error({ err: error, certificate: tcp.certPath }, "the new certificate does not do; the one in force stays");
    }
  };
  const timer = setInterval(look, TLS_LOOK_MS, false);
  timer.unref();
  return { look, stop: () => clearInterval(timer) };
}

/** Changes when one of the files does, however it is put in place. */
function stamp({ certPath, keyPath }: TcpConfig): string {
  const of = (path: string) => {
    const found = statSync(path, { throwIfNoEntry: false });
    return found ? `${found.ino} ${found.mtimeMs} ${found.size}` : "none";
  };
  return `${of(certPath)} ${of(keyPath)}`;
}
