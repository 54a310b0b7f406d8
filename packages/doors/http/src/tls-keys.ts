import { constants, X509Certificate } from "node:crypto";
import { createSecureContext, type TlsOptions } from "node:tls";
import { IsthmusError } from "@isthmus/contract";
import { TLS_VERSION_MIN } from "./config.ts";

export interface TlsKeys {
  /** PEM */
  readonly cert: string | Buffer;
  /** PEM */
  readonly key: string | Buffer;
  /** PEM of the authorities whose clients are let in; without it nobody is asked for a certificate */
  readonly clientCa?: string | Buffer;
}

/** What a listener and its renewal are given of `keys`. */
export function tlsOptions({ cert, key, clientCa }: TlsKeys): TlsOptions {
  const own = { cert, key, minVersion: TLS_VERSION_MIN } as const;
  if (clientCa === undefined) return own;
  // A resumed session is not checked again: it would outlive the client's certificate and its authority.
  return { ...own, ca: clientCa, requestCert: true, rejectUnauthorized: true, secureOptions: constants.SSL_OP_NO_TICKET };
}

/** Throws CONFIG_INVALID. */
export function checkTls(tls: TlsKeys): void {
  if (!tls?.cert || !tls.key) throw invalid("tcp.tls", "(none)", "TCP is served with TLS only: certificate and key are needed");
  const fault = tls.clientCa === undefined ? undefined : clientCaFault(tls.clientCa);
  if (fault !== undefined) throw invalid("tcp.tls.clientCa", "(hidden)", fault);
  try {
    createSecureContext({ cert: tls.cert, key: tls.key });
  } catch (cause) {
    throw invalid("tcp.tls", "(hidden)", cause instanceof Error ? cause.message : "not usable", cause);
  }
}

/** Throws CONFIG_INVALID when `renewed` would begin or cease to ask for client certificates, which an open listener cannot. */
export function checkAsksAlike(inForce: TlsKeys, renewed: TlsKeys): void {
  if ((inForce.clientCa === undefined) === (renewed.clientCa === undefined)) return;
  throw invalid(
    "tcp.tls.clientCa",
    renewed.clientCa === undefined ? "(none)" : "(hidden)",
    "whether clients are asked for certificates is settled at the start",
  );
}

/**
 * Why clients cannot be checked against these authorities, if so. OpenSSL leaves out what it cannot read, and Node takes the authorities of the
 * public web when nothing is left to it.
 */
export function clientCaFault(pem: string | Buffer): string | undefined {
  const text = pem.toString();
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0) return "no certificate in PEM form is in it";
  if (found.length !== text.split("-----BEGIN ").length - 1) return "something in it is no whole certificate in PEM form";
  for (const [index, block] of found.entries()) {
    try {
      const { ca, subject } = new X509Certificate(block);
      if (!ca)
        return `certificate ${index + 1} in it (${subject.replaceAll("\n", ", ")}) is not an authority's: it lacks basicConstraints CA:TRUE`;
    } catch (cause) {
      return `certificate ${index + 1} in it is not readable: ${cause instanceof Error ? cause.message : "not usable"}`;
    }
  }
  return undefined;
}

export function invalid(field: string, value: string, reason: string, cause?: unknown): IsthmusError {
  return new IsthmusError("CONFIG_INVALID", { field, value, reason }, { cause });
}
