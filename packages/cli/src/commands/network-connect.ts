import { Command } from "commander";
import type { Context } from "../context.ts";
import { collect, examples } from "../help.ts";

interface ConnectOptions {
  readonly ip?: string;
  readonly ip6?: string;
  readonly alias?: readonly string[];
}

export function networkConnect(context: Context): Command {
  return new Command("connect")
    .description(
      "Put a machine on a network: one that runs and was taken off a network at once, one without a process from its next start on. Others are refused.",
    )
    .argument("<network>", "name")
    .argument("<machine>", "name or id")
    .option("--ip <address>", "its IPv4 address; a free one when absent")
    .option("--ip6 <address>", "its IPv6 address; a free one when absent")
    .option("--alias <name>", "one more name of it in the network's DNS (repeatable)", collect)
    .addHelpText("after", examples([["isthmus network connect web api"], ["isthmus network connect --alias db web postgres"]]))
    .action(async (network: string, machine: string, { ip, ip6, alias }: ConnectOptions) => {
      const isthmus = await context.client();
      const changed = await isthmus.networks.connect(network, { machine, ip, ip6, ...(alias && { aliases: [...alias] }) });
      if (context.json) return context.printJson(changed);
    });
}
