import { readFileSync, statSync } from "node:fs";
import { IsthmusError } from "@isthmus/contract";
import type { Log } from "@isthmus/core";
import { clientCaFault, type HttpDoor, type TcpOptions, type TlsKeys } from "@isthmus/door-http";
import { type TcpConfig, TLS_LOOK_MS } from "./config.ts";

/** What the TCP listener needs of files. Throws CONFIG_INVALID. */
export function readTcpFiles(tcp: TcpConfig): TcpOptions {
  const token = tcp.tokenPath === undefined ? {} : { token: read("ISTHMUS_TOKEN_FILE", tcp.tokenPath).trim() };
  return { host: tcp.host, port: tcp.port, tls: readTls(tcp), ...token };
}

function readTls({ certPath, keyPath, clientCaPath }: TcpConfig): TlsKeys {
  const own = { cert: read("ISTHMUS_TLS_CERT", certPath), key: read("ISTHMUS_TLS_KEY", keyPath) };
  return clientCaPath === undefined ? own : { ...own, clientCa: readClientCa(clientCaPath) };
}

function readClientCa(path: string): string {
  const field = "ISTHMUS_TLS_CLIENT_CA_FILE";
  const clientCa = read(field, path);
  const reason = clientCaFault(clientCa);
  if (reason !== undefined) throw new IsthmusError("CONFIG_INVALID", { field, value: path, reason });
  return clientCa;
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

/** What is renewed is taken up without a restart. Files that do not do leave the ones in force, and are looked at again when they change. */
export function watchTls(tcp: TcpConfig | undefined, door: Pick<HttpDoor, "renew">, log: Log): TlsWatch {
  if (tcp === undefined) return { look: () => undefined, stop: () => undefined };
  const files = { certificate: tcp.certPath, ...(tcp.clientCaPath === undefined ? {} : { clientAuthorities: tcp.clientCaPath }) };
  let seen = stamp(tcp);
  const look = (anew: boolean) => {
    const now = stamp(tcp);
    if (!anew && now === seen) return;
    seen = now;
    try {
      door.renew(readTls(tcp));
      log.info(files, "took up the files of TLS anew");
    } catch (error) {
      log.error({ err: error, ...files }, "the new files of TLS do not do; what is in force stays");
    }
  };
  const timer = setInterval(look, TLS_LOOK_MS, false);
  timer.unref();
  return { look, stop: () => clearInterval(timer) };
}

/** Changes when one of the files does, however it is put in place. */
function stamp({ certPath, keyPath, clientCaPath }: TcpConfig): string {
  const of = (path: string) => {
    const found = statSync(path, { throwIfNoEntry: false });
    return found ? `${found.ino} ${found.mtimeMs} ${found.size}` : "none";
  };
  return [certPath, keyPath, ...(clientCaPath === undefined ? [] : [clientCaPath])].map(of).join(" ");
}
