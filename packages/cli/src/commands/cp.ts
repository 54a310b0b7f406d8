import { Command } from "commander";
import { type CopyOptions, copyIn } from "../archive/copy-in.ts";
import { copyOut, sourceInMachine } from "../archive/copy-out.ts";
import { copyWatch } from "../archive/watch.ts";
import type { Context } from "../context.ts";
import { usage } from "../failure.ts";
import { examples } from "../help.ts";
import { type CopyPath, copyPath, type MachinePath } from "../parse/copy-path.ts";
import { write } from "../terminal/write.ts";

interface CpOptions extends CopyOptions {
  readonly quiet?: boolean;
}

export function cp(context: Context): Command {
  return new Command("cp")
    .description("Copy files between a machine and this host. FROM or TO is MACHINE:PATH; the other a local path, or - for a tar stream.")
    .argument("<from>", "MACHINE:PATH, local path, or - (tar on stdin)")
    .argument("<to>", "MACHINE:PATH, local path, or - (tar on stdout)")
    .option("-a, --archive", "keep owners and set-id bits")
    .option("-L, --follow-link", "copy what FROM points to when it is a symbolic link")
    .option("-q, --quiet", "no progress")
    .addHelpText(
      "after",
      examples([
        ["isthmus cp web:/etc/passwd .", "out of a machine"],
        ["isthmus cp ./site/. web:/srv/www", "the content of a folder"],
        ["isthmus cp web:/var/log - | tar t", "as a tar stream"],
        ["tar c . | isthmus cp - web:/srv", "a tar stream into a folder"],
      ]),
    )
    .action(async (fromText: string, toText: string, options: CpOptions) => {
      const from = copyPath(fromText);
      const to = copyPath(toText);
      if ((from.kind === "machine") === (to.kind === "machine"))
        throw usage(context, "one of FROM and TO must be MACHINE:PATH, the other not");
      const watch = copyWatch(context, options.quiet === true);
      try {
        await copy(context, from, to, options, watch);
      } finally {
        watch.stop();
      }
      if (context.json && to.kind !== "stream") await context.printJson({ from: fromText, to: toText, bytes: watch.stop() });
    });
}

async function copy(
  context: Context,
  from: CopyPath,
  to: CopyPath,
  options: CpOptions,
  watch: ReturnType<typeof copyWatch>,
): Promise<void> {
  const { stdin, stdout } = context.world;
  if (from.kind === "stream" && stdin.isTTY) throw usage(context, "a tar stream is read from stdin, which is a terminal");
  if (to.kind === "stream" && stdout.isTTY) throw usage(context, "a tar stream is not written to a terminal");
  const isthmus = await context.client();
  if (to.kind === "machine") {
    const machine = isthmus.machines.handle(to.machine);
    if (from.kind === "stream") await machine.putArchive(to.path, stdin);
    else if (from.kind === "local") await copyIn(machine, from, to, options, watch);
  } else if (from.kind === "machine") {
    const machine = isthmus.machines.handle(from.machine);
    if (to.kind === "local") await copyOut(machine, from, to, options, watch);
    else await streamOut(context, machine, from, options);
  }
}

async function streamOut(
  context: Context,
  machine: Parameters<typeof sourceInMachine>[0],
  from: MachinePath,
  options: CopyOptions,
): Promise<void> {
  const source = await sourceInMachine(machine, from, options);
  for await (const piece of await machine.getArchive(source.path)) {
    const bytes: Buffer = piece;
    await write(context.world.stdout, bytes);
  }
}
