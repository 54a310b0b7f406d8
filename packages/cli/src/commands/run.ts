import type { Machine, MachineHandle } from "@isthmus/sdk";
import { Command } from "commander";
import { exitCodes } from "../config.ts";
import type { Context } from "../context.ts";
import { usage } from "../failure.ts";
import { examples } from "../help.ts";
import { addRunOptions, machineSpec, type RunOptions } from "../parse/run-options.ts";
import { createPulling } from "../registry/pull.ts";
import { runForeground } from "../stream/foreground.ts";
import { requireTerminal } from "../stream/raw-terminal.ts";
import { type OnFailure, startDetached } from "../stream/start-machine.ts";
import { escapeControls } from "../terminal/escape.ts";

export function run(context: Context): Command {
  return addRunOptions(new Command("run"))
    .description("Run a command in a new machine. Options go before IMAGE; what follows it is the command's own.")
    .argument("<image>", "NAME, NAME:TAG, NAME@sha256:DIGEST or sha256:DIGEST; pulled when it is not here")
    .argument("[command...]", "command and arguments; the image's when absent")
    .passThroughOptions()
    .addHelpText(
      "after",
      examples([
        ["isthmus run --rm busybox uname -a", "one command"],
        ["isthmus run -it busybox sh", "a shell; ctrl-p ctrl-q leaves it running"],
        ["isthmus run -d --name web -p 8080:80 --restart always busybox httpd -f -p 80 -h /", "a service"],
        ["isthmus run -d -v data:/data busybox httpd -f -h /data", "with a volume that outlives it"],
        ["tar c . | isthmus run -i --rm busybox tar t", "with our stdin"],
        ["isthmus run --rm --pull always ghcr.io/team/app:v1", "the newest of that name"],
        ["isthmus run --cpus 2 -m 512m --read-only --tmpfs /tmp:64m busybox sh -c 'df -h'"],
      ]),
    )
    .action(async (image: string, words: string[], options: RunOptions) => {
      if (options.rm && options.restart && options.restart.policy !== "no") throw conflict(context);
      if (!options.detach) requireTerminal(context.world, options);
      const spec = machineSpec(image, words, options, context.world.env);
      const isthmus = await context.client();
      const wanted = { image, policy: options.pull ?? "missing", quiet: false };
      const created = await createPulling(context, isthmus, wanted, (pull) => isthmus.machines.create(spec, { start: false, pull }));
      const { id } = created;
      const autoRemove = options.rm === true;
      const onFailure = autoRemove ? "remove" : "undo";
      if (options.detach) return await detached(context, isthmus.machines.handle(id), created, onFailure);
      if (context.json) await context.printJsonLine({ type: "machine", machine: created });
      context.exitCode = await runForeground(context, isthmus, id, {
        tty: options.tty === true,
        interactive: options.interactive === true,
        start: { first: true, autoRemove, onFailure },
      });
    });
}

async function detached(context: Context, handle: MachineHandle, created: Machine, onFailure: OnFailure): Promise<void> {
  const ending = await startDetached(context, handle, onFailure);
  if (ending !== "started") {
    if (ending === "left") context.note("left; the machine goes on");
    context.exitCode = exitCodes.interrupted;
    return;
  }
  // One that removes itself may be gone.
  const machine = await handle.inspect().catch(() => created);
  if (context.world.stderr.isTTY) for (const note of machine.notes) context.note(`note: ${escapeControls(note)}`);
  if (context.json) await context.printJson(machine);
  else await context.print(`${machine.id}\n`);
}

function conflict(context: Context): Error {
  return usage(context, "--rm and --restart exclude one another");
}
