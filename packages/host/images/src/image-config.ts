import type { ImageConfig } from "@isthmus/contract";
import { badImage } from "./failures.ts";
import { arrayField, field, isObject, type JsonObject, parseObject, stringField } from "./json.ts";
import { isDigest } from "./reference.ts";

/** An OCI image config (image-spec v1.1, config.md) as far as it matters here. */
export interface ParsedConfig {
  readonly architecture: string;
  readonly os: string;
  /** digests of the uncompressed layers, lowest first */
  readonly diffIds: readonly string[];
  readonly config: ImageConfig;
}

const WHAT = "the image config";

/** Throws BAD_IMAGE. Missing and null fields are empty. */
export function parseImageConfig(bytes: Uint8Array): ParsedConfig {
  const document = parseObject(bytes, WHAT);
  const rootfs = field(document, "rootfs");
  const diffIds = isObject(rootfs) ? arrayField(rootfs, "diff_ids", WHAT) : [];
  if (!diffIds.every(isDigest)) throw badImage("a diff_id of the image config is no sha256 digest");
  const run = field(document, "config") ?? {};
  if (!isObject(run)) throw badImage("config of the image config is no object");
  return {
    architecture: stringField(document, "architecture") ?? "",
    os: stringField(document, "os") ?? "linux",
    diffIds,
    config: {
      entrypoint: words(run, "Entrypoint"),
      cmd: words(run, "Cmd"),
      env: words(run, "Env"),
      workdir: plain(run, "WorkingDir"),
      user: plain(run, "User"),
      exposedPorts: keys(run, "ExposedPorts"),
      volumes: keys(run, "Volumes"),
      ...(plain(run, "StopSignal") === "" ? {} : { stopSignal: plain(run, "StopSignal") }),
      ...healthcheckOf(run),
      labels: labels(run),
    },
  };
}

function checked(value: unknown, name: string): string {
  if (typeof value !== "string") throw badImage(`${name} of the image config is no text`);
  if (value.includes("\0")) throw badImage(`${name} of the image config holds a NUL`);
  return value;
}

function plain(run: JsonObject, name: string): string {
  return checked(field(run, name) ?? "", name);
}

/** A list; a single text, as old builders wrote, is a list of one. */
function words(run: JsonObject, name: string): string[] {
  const value = field(run, name) ?? [];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.map((word) => checked(word, name));
}

/** Sets are objects whose values mean nothing. */
function keys(run: JsonObject, name: string): string[] {
  const value = field(run, name) ?? {};
  if (!isObject(value)) throw badImage(`${name} of the image config is no object`);
  return Object.keys(value).map((key) => checked(key, name));
}

function labels(run: JsonObject): Record<string, string> {
  const value = field(run, "Labels") ?? {};
  if (!isObject(value)) throw badImage("Labels of the image config is no object");
  return Object.fromEntries(Object.entries(value).map(([key, text]) => [checked(key, "Labels"), checked(text ?? "", "Labels")]));
}

const NS_PER_MS = 1_000_000;
/** docker's names of the spans of a health check, in nanoseconds, and ours */
const spans = [
  ["Interval", "intervalMs"],
  ["Timeout", "timeoutMs"],
  ["StartPeriod", "startPeriodMs"],
  ["StartInterval", "startIntervalMs"],
] as const;

/** docker's addition to the OCI config (moby, image/spec). What is no number, or none at all, is docker's default and left out. */
function healthcheckOf(run: JsonObject): Pick<ImageConfig, "healthcheck"> {
  const value = field(run, "Healthcheck");
  if (!isObject(value)) return {};
  const test = words(value, "Test");
  if (test.length === 0) return {};
  const positive = (name: string): number | undefined => {
    const given = field(value, name);
    return typeof given === "number" && given > 0 ? given : undefined;
  };
  const times = spans.flatMap(([theirs, ours]) => {
    const ns = positive(theirs);
    return ns === undefined ? [] : [[ours, ns / NS_PER_MS] as const];
  });
  const retries = positive("Retries");
  return { healthcheck: { test, ...Object.fromEntries(times), ...(retries === undefined ? {} : { retries: Math.round(retries) }) } };
}
