import { healthStatuses, type MachineState, machineStates } from "@isthmus/contract";
import type { EventOptions, ListOptions } from "@isthmus/sdk";
import { since } from "./amounts.ts";
import { invalid } from "./invalid.ts";

export type MachineFilters = Omit<ListOptions, "all" | "signal" | "name">;
export type EventFilters = Pick<EventOptions, "kinds" | "types" | "images" | "labels" | "machine">;

type Values = ReadonlyMap<string, readonly string[]>;

/** Values of `KEY=VALUE` by key. `known` leads each way to write a key to the key. */
export function filterValues(entries: readonly string[], known: Readonly<Record<string, string>>): Values {
  const values = new Map<string, string[]>();
  for (const entry of entries) {
    const cut = entry.indexOf("=");
    const name = cut === -1 ? entry : entry.slice(0, cut);
    const value = cut === -1 ? "" : entry.slice(cut + 1);
    const key = Object.hasOwn(known, name) ? known[name] : undefined;
    if (key === undefined) throw invalid("--filter", entry, `filters are ${Object.keys(known).join(", ")}`);
    if (value === "") throw invalid("--filter", entry, `write ${name}=VALUE`);
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  return values;
}

function isState(text: string): text is MachineState {
  const known: readonly string[] = machineStates;
  return known.includes(text);
}

/** docker's words for states, where ours are others */
const stateWords: Readonly<Record<string, MachineState>> = { created: "requested", dead: "failed" };

function stateOf(text: string): MachineState {
  const state = stateWords[text] ?? text;
  if (!isState(state)) throw invalid("--filter", `status=${text}`, `states are ${machineStates.join(", ")}`);
  return state;
}

type HealthFilter = NonNullable<MachineFilters["health"]>[number];

function healthOf(text: string): HealthFilter {
  const known: readonly HealthFilter[] = [...healthStatuses, "none"];
  const found = known.find((one) => one === text);
  if (found === undefined) throw invalid("--filter", `health=${text}`, `health is ${known.join(", ")}`);
  return found;
}

function exitCode(text: string): number {
  if (!/^\d{1,3}$/.test(text) || Number(text) > 255) throw invalid("--filter", `exited=${text}`, "exit codes are 0 to 255");
  return Number(text);
}

function one(values: Values, key: string): string | undefined {
  const [first, second] = values.get(key) ?? [];
  if (second !== undefined) throw invalid("--filter", `${key}=${second}`, `${key} is given once`);
  return first;
}

const machineKeys = {
  state: "status",
  status: "status",
  label: "label",
  name: "name",
  id: "id",
  exited: "exited",
  ancestor: "ancestor",
  volume: "volume",
  health: "health",
  before: "before",
  since: "since",
};

/** `--filter status=running`, `label=k`, `label=k=v`, `name=web`, `exited=1`, `ancestor=busybox`, as docker's. Of several of one key any does, of labels all must hold. */
export function machineFilters(entries: readonly string[]): MachineFilters {
  const values = filterValues(entries, machineKeys);
  return {
    states: values.get("status")?.map(stateOf),
    labels: values.get("label"),
    names: values.get("name"),
    ids: values.get("id"),
    exitCodes: values.get("exited")?.map(exitCode),
    ancestors: values.get("ancestor"),
    volumes: values.get("volume"),
    health: values.get("health")?.map(healthOf),
    before: one(values, "before"),
    since: one(values, "since"),
  };
}

const eventKeys = { event: "event", type: "type", machine: "machine", container: "machine", image: "image", label: "label" };

/** `--filter event=exited`, `type=machine`, `machine=web`, `image=busybox`, `label=k=v`, as docker's. */
export function eventFilters(entries: readonly string[]): EventFilters {
  const values = filterValues(entries, eventKeys);
  return {
    types: values.get("event"),
    kinds: values.get("type")?.map((kind) => (kind === "container" ? "machine" : kind)),
    machine: one(values, "machine"),
    images: values.get("image"),
    labels: values.get("label"),
  };
}

export interface PruneFilters {
  /** ms since 1970 */
  readonly untilMs?: number;
  readonly labels?: readonly string[];
}

/** `--filter until=24h`, `label=k=v`, as docker's. */
export function pruneFilters(entries: readonly string[]): PruneFilters {
  const values = filterValues(entries, { until: "until", label: "label" });
  const until = one(values, "until");
  const text = until === undefined ? undefined : since(until, Date.now(), "--filter");
  return {
    labels: values.get("label"),
    untilMs: text === undefined ? undefined : /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text),
  };
}
