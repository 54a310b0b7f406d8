import { IsthmusError } from "@isthmus/contract";

/** An import statement would load TLS for clients of a socket too. */
const tls = () => process.getBuiltinModule("node:tls");

type Pem = string | Buffer;

/** Certificate and key go together, and each is readable. Throws CONFIG_INVALID. */
export function checkClientCertificate(certificate: Pem | undefined, key: Pem | undefined): void {
  if (certificate === undefined && key === undefined) return;
  if (!certificate) throw invalid("certificate", "(none)", "a key is given, which needs its certificate");
  if (!key) throw invalid("key", "(none)", "a certificate is given, which needs its key");
  load("certificate", () => tls().createSecureContext({ cert: certificate }));
  if (key.includes("ENCRYPTED")) throw invalid("key", "(hidden)", "it is encrypted; give it without a passphrase");
  load("key", () => tls().createSecureContext({ key }));
  load("key", () => tls().createSecureContext({ cert: certificate, key }));
}

function load(field: string, work: () => unknown): void {
  try {
    work();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    const mismatch = code === "ERR_OSSL_X509_KEY_VALUES_MISMATCH" || code === "ERR_OSSL_X509_KEY_TYPE_MISMATCH";
    throw invalid(field, "(hidden)", mismatch ? "it is not the key of the certificate" : "it is not readable as PEM", cause);
  }
}

function invalid(field: string, value: string, reason: string, cause?: unknown): IsthmusError {
  return new IsthmusError("CONFIG_INVALID", { field, value, reason }, { cause });
}
