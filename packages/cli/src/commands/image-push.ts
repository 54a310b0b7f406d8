import { Command } from "commander";
import type { Context } from "../context.ts";
import { reportFailure } from "../failure.ts";
import { examples } from "../help.ts";
import { accountFor } from "../registry/account.ts";
import { escapeControls } from "../terminal/escape.ts";
import { layersView } from "../terminal/layers.ts";

export function imagePush(context: Context, name: string): Command {
  return new Command(name)
    .description("Send images to the registries that their names tell, with the account that docker login left.")
    .argument("<image...>", "NAME or NAME:TAG; give an image the registry's name with isthmus tag")
    .option("-q, --quiet", "no progress")
    .addHelpText("after", examples([["isthmus tag app localhost:5000/team/app:v1"], ["isthmus push localhost:5000/team/app:v1"]]))
    .action(async (refs: string[], options: { readonly quiet?: boolean }) => {
      const isthmus = await context.client();
      const pushed: { readonly ref: string; readonly digest: string }[] = [];
      for (const ref of refs) {
        const view = layersView(context.world.stderr, context.json || options.quiet === true);
        try {
          const auth = await accountFor(context, ref);
          const { digest } = await isthmus.images.push(ref, { auth, onProgress: view.update });
          view.stop();
          pushed.push({ ref, digest });
          if (!context.json) await context.print(`${escapeControls(ref)}: ${digest}\n`);
        } catch (error) {
          view.stop();
          context.exitCode ||= reportFailure(context, error);
        }
      }
      if (context.json) await context.printJson(pushed);
    });
}
