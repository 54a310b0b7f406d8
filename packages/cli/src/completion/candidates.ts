import type { MachineState } from "@isthmus/contract";
import type { Command, Option } from "commander";
import type { CommandEntry } from "../command-entry.ts";
import { COMPLETION_DEADLINE_MS } from "../config.ts";
import type { Context } from "../context.ts";
import { gather } from "../each.ts";
import { handsOn, walk } from "../parse/operands.ts";

export interface Candidate {
  readonly text: string;
  readonly description?: string;
}

const files: Candidate = { text: ":files" };

/** What may stand in the place of the last of `words`. Never rejects: without a daemon there are no names, and none is started. */
export async function candidates(
  context: Context,
  table: readonly CommandEntry[],
  words: readonly string[],
): Promise<readonly Candidate[]> {
  const current = words.at(-1) ?? "";
  let before = words.slice(0, -1);
  if (before[0] === "help") before = before.slice(1);
  let level: readonly CommandEntry[] = table;
  let entry: CommandEntry | undefined;
  while (before[0] !== undefined) {
    entry = level.find(({ name }) => name === before[0]);
    if (!entry) return [];
    before = before.slice(1);
    if (!entry.children) break;
    level = entry.children;
  }
  if (!entry || entry.children) return entriesStarting(level, current);
  const make = await entry.load?.();
  return make ? await inside(context, make(context, entry.name), before, current) : [];
}

function entriesStarting(level: readonly CommandEntry[], current: string): readonly Candidate[] {
  return level
    .filter(({ name, hidden }) => !hidden && name.startsWith(current))
    .map(({ name, summary }) => ({ text: name, description: summary }));
}

async function inside(context: Context, command: Command, before: readonly string[], current: string): Promise<readonly Candidate[]> {
  const { waiting, operands } = walk(command, before);
  if (waiting) return valuesOf(waiting);
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments[operands] ?? (last?.variadic ? last : undefined);
  const [, name = "", value = ""] = /^(--[a-z-]+)=(.*)$/.exec(current) ?? [];
  const option = command.options.find(({ long }) => long === name);
  if (option) {
    const values = valuesOf(option).filter(({ text }) => text !== files.text && text.startsWith(value));
    return values.map(({ text }) => ({ text: `${name}=${text}` }));
  }
  if (current.startsWith("-")) return operands > 0 && handsOn(command) ? [] : optionsStarting(command, current);
  if (!argument) return [];
  if (argument.argChoices) return argument.argChoices.map((text) => ({ text }));
  return (await names(context, argument.name(), current)).filter(({ text }) => text === files.text || text.startsWith(current));
}

function optionsStarting(command: Command, current: string): readonly Candidate[] {
  const own = command.options.map(({ long, short, description }) => ({ text: long ?? short ?? "", description }));
  const all = [...own, { text: "--json", description: "results as JSON" }, { text: "--help", description: "show this help" }];
  return all.filter(({ text }) => text.startsWith(current));
}

function valuesOf(option: Option): readonly Candidate[] {
  if (option.argChoices) return option.argChoices.map((text) => ({ text }));
  return /file/.test(option.flags) ? [files] : [];
}

async function names(context: Context, argument: string, current: string): Promise<readonly Candidate[]> {
  if (argument === "machine") return await machineNames(context, "");
  if (argument === "image") return await imageNames(context);
  if (argument === "volume") return await volumeNames(context);
  if (argument === "network") return await networkNames(context);
  if (argument === "secret") return await secretNames(context);
  if (argument === "token") return await tokenNames(context);
  if (argument === "snapshot") return await snapshotNames(context);
  if (argument === "snapshot|machine") return await sourceNames(context);
  if (argument === "source" && context.commandName !== "") return current.includes(":") ? [] : [files];
  if (argument === "from" || argument === "to") return [...(await machineNames(context, ":")), files];
  return [];
}

function withDeadline<T>(work: (signal: AbortSignal) => Promise<T>, otherwise: T): Promise<T> {
  return work(AbortSignal.timeout(COMPLETION_DEADLINE_MS)).catch(() => otherwise);
}

function machineNames(context: Context, suffix: string, states?: readonly MachineState[]): Promise<readonly Candidate[]> {
  return withDeadline(async (signal) => {
    const isthmus = await context.runningClient();
    const machines = await gather(isthmus.machines.list({ all: true, states, signal }));
    return machines.map(({ name, state, spec }) => ({ text: `${name}${suffix}`, description: `${state}, ${spec.image}` }));
  }, []);
}

function snapshotNames(context: Context): Promise<readonly Candidate[]> {
  return withDeadline(async (signal) => {
    const isthmus = await context.runningClient();
    const snapshots = await isthmus.snapshots.list({ signal });
    return snapshots.map(({ name, machineName, unusable }) => ({
      text: name,
      description: unusable === undefined ? `snapshot of ${machineName}` : `snapshot, unusable: ${unusable}`,
    }));
  }, []);
}

function volumeNames(context: Context): Promise<readonly Candidate[]> {
  return withDeadline(async (signal) => {
    const isthmus = await context.runningClient();
    const volumes = await isthmus.volumes.list({ signal });
    return volumes.map(({ name, usedBy }) => ({
      text: name,
      description: usedBy.map(({ machineName }) => machineName).join(", ") || "not used",
    }));
  }, []);
}

function networkNames(context: Context): Promise<readonly Candidate[]> {
  return withDeadline(async (signal) => {
    const isthmus = await context.runningClient();
    const networks = await isthmus.networks.list({ signal });
    return networks.map(({ name, subnet }) => ({ text: name, description: subnet }));
  }, []);
}

/** What can be cloned; a name that is both a machine's and a snapshot's comes in the forms that tell them apart. */
async function sourceNames(context: Context): Promise<readonly Candidate[]> {
  const [snapshots, machines] = await Promise.all([snapshotNames(context), machineNames(context, "", ["running"])]);
  const shared = new Set(snapshots.map(({ text }) => text).filter((text) => machines.some((machine) => machine.text === text)));
  const told = (kind: string) => (candidate: Candidate) =>
    shared.has(candidate.text) ? { ...candidate, text: `${kind}:${candidate.text}` } : candidate;
  return [...snapshots.map(told("snapshot")), ...machines.map(told("machine"))];
}

function tokenNames(context: Context): Promise<readonly Candidate[]> {
  return withDeadline(async (signal) => {
    const isthmus = await context.runningClient();
    const tokens = await isthmus.tokens.list({ signal });
    return tokens.map(({ name, role, tenant }) => ({ text: name, description: `${role} of ${tenant ?? "all tenants"}` }));
  }, []);
}

function secretNames(context: Context): Promise<readonly Candidate[]> {
  return withDeadline(async (signal) => {
    const isthmus = await context.runningClient();
    const secrets = await isthmus.secrets.list({ signal });
    return secrets.map(({ name, tenant }) => ({ text: name, description: `secret of ${tenant}` }));
  }, []);
}

function imageNames(context: Context): Promise<readonly Candidate[]> {
  return withDeadline(async (signal) => {
    const isthmus = await context.runningClient();
    const images = await isthmus.images.list({ signal });
    return images.flatMap(({ tags }) => tags.map((tag) => ({ text: tag.replace(/:latest$/, "") })));
  }, []);
}
