import { createHash, randomBytes, randomUUID } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { type AgentSession, type ConfigureRequest, decodeRecords, type NetworkRequest, type StartRequest } from "@isthmus/agent-client";
import { hasCode } from "@isthmus/contract";
import { macAddressOf, type NicPlace, type StartPlan } from "@isthmus/core";
import {
  CONFIGURE_DEADLINE_MS,
  DNS_ADDRESS,
  ENTROPY_BYTES,
  GATEWAY_ADDRESS,
  GUEST_ADDRESS,
  GUEST_PREFIX,
  UNATTENDED_OUTPUT_BYTES,
} from "../config.ts";
import { unlessItEnds, type Watch } from "../watched.ts";
import { mountAll } from "./mounts.ts";
import { putSecrets } from "./secret-files.ts";

/** 32 hex digits that stay the same over the machine's restarts. */
export function machineIdOf(id: string): string {
  return createHash("sha256").update(`isthmus machine ${id}`).digest("hex").slice(0, 32);
}

/** Identity, clock, fresh entropy and network of a guest that has just booted. */
export function configuration(plan: Pick<StartPlan, "id" | "hostname" | "network" | "nic">, nowMs: number): ConfigureRequest {
  return {
    hostname: plan.hostname,
    machineId: machineIdOf(plan.id),
    bootId: randomUUID(),
    clock: { sec: Math.floor(nowMs / 1000), nsec: Math.floor((nowMs % 1000) * 1e6) },
    entropy: randomBytes(ENTROPY_BYTES).toString("hex"),
    network: plan.network === "none" ? null : { mac: macAddressOf(plan.id), ...addressesOf(plan) },
  };
}

/** A template's guest has the addresses of the user-mode network on any other too: they are none of its clones'. */
function addressesOf({ nic }: Pick<StartPlan, "nic">): Partial<NetworkRequest> {
  if (nic === undefined) return { address: `${GUEST_ADDRESS}/${GUEST_PREFIX}`, gateway: GATEWAY_ADDRESS, dns: [DNS_ADDRESS] };
  return nic.place === undefined ? {} : { ...nic.place, dns: [nic.place.gateway] };
}

/** A place on a network for a guest that runs; its workload goes on. Throws AGENT_REFUSED, AGENT_UNREACHABLE. */
export async function placeGuest(session: AgentSession, { id, hostname }: StartPlan, place: NicPlace): Promise<void> {
  const network: NetworkRequest = { mac: macAddressOf(id), ...place, dns: [place.gateway] };
  await session.request("configure", { hostname, network }, { deadlineMs: CONFIGURE_DEADLINE_MS });
}

function workloadRequest({ workload }: StartPlan, secretEnv: readonly string[]): StartRequest {
  return { ...workload, env: [...workload.env, ...secretEnv], unattendedMaxBytes: UNATTENDED_OUTPUT_BYTES };
}

/** `configure` and what is mounted, for a guest that is idle. Throws AGENT_REFUSED, AGENT_UNREACHABLE. */
export async function configureGuest(session: AgentSession, plan: StartPlan): Promise<void> {
  await session.request("configure", configuration(plan, Date.now()), { deadlineMs: CONFIGURE_DEADLINE_MS });
  await mountAll(session, plan);
}

/** `start`; a workload that runs already is fine. Throws AGENT_REFUSED, AGENT_UNREACHABLE, TOO_LARGE. */
export async function startWorkload(session: AgentSession, plan: StartPlan): Promise<void> {
  const { files, env } = plan.secrets?.() ?? { files: [], env: [] };
  await putSecrets(session, plan, files);
  try {
    await session.request("start", workloadRequest(plan, env), { deadlineMs: CONFIGURE_DEADLINE_MS });
  } catch (error) {
    if (!(hasCode(error, "AGENT_REFUSED") && error.details.code === "already_started")) throw error;
  }
}

/** True when the output file holds a `start` record behind `offset`: a short workload may end before its reply came through. */
async function hasStarted(outputPath: string, offset: number): Promise<boolean> {
  const file = await open(outputPath, "r");
  try {
    const { buffer, bytesRead } = await file.read({ position: offset });
    return decodeRecords(buffer.subarray(0, bytesRead)).records.some(({ kind }) => kind === "start" || kind === "exit");
  } finally {
    await file.close();
  }
}

/** `start`, which has succeeded also when the workload and its guest are over before they could say so. Throws what the guest refused or `watch` brings. */
export async function ensureWorkload(session: AgentSession, plan: StartPlan, watch: Watch): Promise<void> {
  if (plan.visit === true) return;
  const offset = await stat(plan.outputPath).then(
    ({ size }) => size,
    () => 0,
  );
  try {
    await unlessItEnds(watch, startWorkload(session, plan));
  } catch (error) {
    const lost = hasCode(error, "AGENT_UNREACHABLE", "START_FAILED");
    if (!lost || !(await hasStarted(plan.outputPath, offset))) throw error;
  }
}
