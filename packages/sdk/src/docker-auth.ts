import type ChildProcess from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { DEFAULT_REGISTRY, IsthmusError, type RegistryAuth, registryOf } from "@isthmus/contract";
import { CREDENTIAL_BYTES, CREDENTIAL_HELPER_MS, HELPER_REASON_CHARS } from "./config.ts";

/** Where docker's settings are. */
export interface DockerAuthOptions {
  /** folder of config.json; `$DOCKER_CONFIG`, else `~/.docker` */
  readonly folder?: string;
  /** ends the wait for a credential helper */
  readonly signal?: AbortSignal;
}

type Fields = Readonly<Record<string, unknown>>;

/** docker.io as docker login writes it */
const HUB_KEY = "https://index.docker.io/v1/";
/** what helpers answer when they know nobody (docker-credential-helpers) */
const NOT_FOUND = /credentials not found/i;
/** the user name under which helpers keep an identity token */
const TOKEN_USER = "<token>";

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/**
 * The account that `docker login` left for an image's registry: in config.json's `auths`, or with a credential helper (`credHelpers`, `credsStore`), which is run
 * without a shell. Undefined when there is none. Throws LOCAL_FILE when config.json cannot be understood or a helper fails.
 */
export async function dockerAuth(ref: string, options: DockerAuthOptions = {}): Promise<RegistryAuth | undefined> {
  const { registry } = registryOf(ref);
  const file = path.join(options.folder ?? (process.env.DOCKER_CONFIG || path.join(homedir(), ".docker")), "config.json");
  const config = await readConfig(file);
  const keys = keysOf(registry);
  const own = entryOf(config.credHelpers, keys);
  // An empty name keeps one registry from the helper of all.
  const helper = text(own === undefined ? config.credsStore : own);
  if (helper !== "") {
    for (const key of keys) {
      const found = await ask(helper, key, options.signal);
      if (found !== undefined) return found;
    }
  }
  return ofEntry(entryOf(config.auths, keys));
}

/** What an account may be kept under, docker's own way first: podman and skopeo write docker.io as it is, older versions and helpers URLs. */
function keysOf(registry: string): readonly string[] {
  return registry === DEFAULT_REGISTRY ? [HUB_KEY, registry] : [registry, `https://${registry}`];
}

async function readConfig(file: string): Promise<Fields> {
  let content: string;
  try {
    content = await readFile(file, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return {};
    throw new IsthmusError("LOCAL_FILE", { path: file, reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
  try {
    const value: unknown = JSON.parse(content);
    if (isFields(value)) return value;
  } catch {
    // The parser's message would show a piece of the file, which holds secrets.
  }
  throw new IsthmusError("LOCAL_FILE", { path: file, reason: "it is no JSON object" });
}

/** Keys are hosts, or URLs as older versions wrote them. */
function entryOf(entries: unknown, keys: readonly string[]): unknown {
  if (!isFields(entries)) return undefined;
  const exact = keys.find((key) => Object.hasOwn(entries, key));
  if (exact !== undefined) return entries[exact];
  const hosts = keys.map(hostOf);
  return Object.entries(entries).find(([name]) => hosts.includes(hostOf(name)))?.[1];
}

function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}

function ofEntry(entry: unknown): RegistryAuth | undefined {
  if (!isFields(entry)) return undefined;
  const identityToken = text(entry.identitytoken);
  if (identityToken !== "") return { identityToken };
  const registryToken = text(entry.registrytoken);
  if (registryToken !== "") return { registryToken };
  const decoded = Buffer.from(text(entry.auth), "base64").toString("utf8").replace(/\0+$/, "");
  const cut = decoded.indexOf(":");
  const username = cut > 0 ? decoded.slice(0, cut) : text(entry.username);
  const password = cut > 0 ? decoded.slice(cut + 1) : text(entry.password);
  return username === "" ? undefined : { username, password };
}

async function ask(helper: string, key: string, signal: AbortSignal | undefined): Promise<RegistryAuth | undefined> {
  const program = `docker-credential-${helper}`;
  const failed = (reason: string, cause?: unknown): IsthmusError => new IsthmusError("LOCAL_FILE", { path: program, reason }, { cause });
  // Its name comes from a file: it is looked up in PATH, and never a path of its own.
  if (!/^[a-zA-Z0-9._-]+$/.test(helper)) throw failed("this is no name of a credential helper");
  const { code, output } = await runHelper(program, key, signal).catch((cause: unknown) => {
    throw failed(cause instanceof Error ? cause.message : String(cause), cause);
  });
  if (code !== 0) {
    if (NOT_FOUND.test(output)) return undefined;
    throw failed([`it ended with code ${code}`, reasonIn(output)].filter((part) => part !== "").join(": "));
  }
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    throw failed("its answer is no JSON");
  }
  if (!isFields(answer)) throw failed("its answer is no JSON object");
  const username = text(answer.Username);
  const secret = text(answer.Secret);
  if (username === TOKEN_USER && secret !== "") return { identityToken: secret };
  return username === "" ? undefined : { username, password: secret };
}

/** Helpers tell on stdout why they failed. One that broke off in its answer would tell a secret. */
function reasonIn(output: string): string {
  const line = output.trim().split("\n")[0] ?? "";
  return line.includes("{") ? "" : line.replace(/[^\x20-\x7e]/g, "?").slice(0, HELPER_REASON_CHARS);
}

function runHelper(
  program: string,
  key: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly code: number; readonly output: string }> {
  // Loaded for this alone: most programs never need it.
  const { spawn }: typeof ChildProcess = process.getBuiltinModule("node:child_process");
  return new Promise((resolve, reject) => {
    const child = spawn(program, ["get"], { stdio: ["pipe", "pipe", "ignore"], timeout: CREDENTIAL_HELPER_MS, signal });
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > CREDENTIAL_BYTES) child.kill();
      else chunks.push(chunk);
    });
    child.stdin.on("error", () => undefined);
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString("utf8") }));
    child.stdin.end(key);
  });
}
