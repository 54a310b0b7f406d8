import { limits, type MachineUpdate, type ResourcesUpdate } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { usage } from "../failure.ts";
import { collect, examples } from "../help.ts";
import { size, wholeNumber } from "../parse/amounts.ts";
import { addResourceOptions, type ResourceOptions, resources, unlimited } from "../parse/resources.ts";
import { restartPolicy } from "../parse/storage.ts";

interface UpdateOptions extends ResourceOptions {
  readonly cpus?: number;
  readonly memory?: number;
  readonly restart?: MachineUpdate["restart"];
  readonly unlimited?: readonly string[];
  readonly evictable?: boolean;
}

export function update(context: Context): Command {
  const command = new Command("update")
    .description(
      "Change limits, restart policy and classes of machines while they run. CPUs and memory of the guest change while a machine has no process. For each machine all is changed, or nothing.",
    )
    .argument("<machine...>", "id, name or beginning of an id");
  addResourceOptions(command);
  return command
    .option("--no-evictable", "it may not be stopped for want of memory")
    .option("--unlimited <limit>", "take a limit away, named as its flag: cpu-quota, memory-max (repeatable)", collect)
    .option("--restart <policy>", "no, on-failure[:RETRIES], unless-stopped or always", restartPolicy)
    .option("--cpus <number>", "virtual CPUs", wholeNumber("--cpus", 1, limits.cpus))
    .option("-m, --memory <size>", "memory of the guest", size("--memory", limits.memoryMinBytes, limits.memoryMaxBytes))
    .addHelpText(
      "after",
      examples([
        ["isthmus update --cpu-quota 50000 --device-write-bps 10m web", "half a processor, 10 MiB a second to its disks, at once"],
        ["isthmus update --unlimited cpu-quota web", "as many as it has"],
        ["isthmus update --restart unless-stopped web db"],
      ]),
    )
    .action(async (refs: string[], options: UpdateOptions) => {
      const change = changeOf(options);
      if (Object.keys(change).length === 0) throw usage(context, "say what to change");
      await eachTarget(context, refs, (isthmus, ref) => isthmus.machines.handle(ref).update(change));
    });
}

function changeOf(options: UpdateOptions): MachineUpdate {
  const { cpus, memory: memoryBytes, restart, priority, evictable } = options;
  const limited: ResourcesUpdate = { ...resources(options), ...unlimited(options.unlimited ?? []) };
  const given = Object.keys(limited).length === 0 ? undefined : limited;
  const change = Object.entries({ resources: given, cpus, memoryBytes, restart, priority, evictable }).filter(
    ([, value]) => value !== undefined,
  );
  return Object.fromEntries(change);
}
