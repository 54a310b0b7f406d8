import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { kernelWork } from "../kernel-work.ts";

export function kernelFetch(context: Context): Command {
  return new Command("fetch")
    .description(
      "Fetch Debian's cloud kernel: its package is downloaded and unpacked, not installed. The first machine of a host does this by itself.",
    )
    .addHelpText("after", examples([["isthmus kernel fetch"]]))
    .action(() => kernelWork(context, (isthmus, options) => isthmus.kernels.fetch(options)));
}
