import { hasCode, IsthmusError } from "@isthmus/contract";
import type { RegistryClient } from "./registry-client.ts";
import { registryFailure } from "./retry.ts";

/** What the first of several servers gives that can; the last one's failure when none can. Throws REGISTRY_UNREACHABLE for failures of the network. */
export async function firstOf<T>(sources: readonly RegistryClient[], ask: (client: RegistryClient) => Promise<T>): Promise<T> {
  let failure: unknown = new IsthmusError("INTERNAL", { reason: "no registry to ask" });
  for (const client of sources) {
    try {
      return await ask(client);
    } catch (cause) {
      failure = registryFailure(cause, client.registry);
      if (client.options.signal?.aborted === true || hasCode(failure, "DISK_FULL", "CANCELLED")) throw failure;
    }
  }
  throw failure;
}
