import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { kernelWork } from "../kernel-work.ts";

export function kernelBuild(context: Context): Command {
  return new Command("build")
    .description("Build a small kernel from Debian's sources. It takes many minutes and is never needed, but boots faster.")
    .addHelpText("after", examples([["isthmus kernel build"]]))
    .action(() => kernelWork(context, (isthmus, options) => isthmus.kernels.build(options)));
}
