import { KIB, MIB } from "@isthmus/contract";

/** What is asked of registries, and how long they are waited for. */
export const registryLimits = {
  /** layers of one image on their way at a time */
  parallelLayers: 3,
  /** other repositories that blobs of one push are mounted from: each is a scope of its token */
  mountRepositories: 4,
  /** ms without a byte, connecting included */
  idleMs: 30_000,
  /** the same while it takes in an upload: some copy it before they answer */
  uploadIdleMs: 300_000,
  /** ms that a registry without a certified name has to say whether it speaks TLS */
  probeMs: 5_000,
  redirects: 5,
  /** token, error body */
  answerBytes: 64 * KIB,
  errorChars: 200,
  /** what a pause between tries begins with; it doubles */
  backOffMs: 500,
  backOffMaxMs: 8_000,
  /** longest wait that a registry may ask for with Retry-After; a longer one fails */
  retryAfterMaxMs: 60_000,
  /** tries one after another, none of which brought `progressBytes` */
  tries: 5,
  /** what a try must have brought to count as none */
  tryBytes: 1 * MIB,
  /** smallest step of bytes between two reports on one layer */
  progressBytes: 512 * KIB,
} as const;

export type RegistryLimits = { readonly [Key in keyof typeof registryLimits]: number };

/** How registries are reached. */
export interface RegistrySettings {
  /** HOST or HOST:PORT that may be spoken to without a valid certificate or without TLS; loopback addresses always may */
  readonly insecure: readonly string[];
  /** registry → base URLs that are asked first, in this order */
  readonly mirrors: ReadonlyMap<string, readonly string[]>;
  /** HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in either case */
  readonly proxies: Readonly<Record<string, string | undefined>>;
}

export const noSettings: RegistrySettings = { insecure: [], mirrors: new Map(), proxies: {} };
