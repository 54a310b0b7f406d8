import type { Image } from "@isthmus/sdk";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { reportFailure } from "../failure.ts";
import { examples } from "../help.ts";
import { pullImage } from "../registry/pull.ts";
import { escapeControls } from "../terminal/escape.ts";

interface PullOptions {
  readonly quiet?: boolean;
}

export function imagePull(context: Context, name: string): Command {
  return new Command(name)
    .description("Get images from their registries, with the account that docker login left. Ctrl-C cancels; nothing half is kept.")
    .argument("<image...>", "NAME, NAME:TAG or NAME@sha256:DIGEST; without a registry it is docker.io")
    .option("-q, --quiet", "no progress")
    .addHelpText(
      "after",
      examples([
        ["isthmus pull debian:12"],
        ["isthmus pull ghcr.io/team/app@sha256:…", "exactly this one"],
        ["isthmus pull localhost:5000/app", "plain HTTP will do on loopback"],
      ]),
    )
    .action(async (refs: string[], options: PullOptions) => {
      const isthmus = await context.client();
      const images: Image[] = [];
      // One after the other: each draws its layers.
      for (const ref of refs) {
        try {
          const image = await pullImage(context, isthmus, ref, options.quiet === true);
          images.push(image);
          if (!context.json) await context.print(`${escapeControls(image.tags.find((tag) => names(ref, tag)) ?? image.digest)}\n`);
        } catch (error) {
          context.exitCode ||= reportFailure(context, error);
        }
      }
      if (context.json) await context.printJson(images);
    });
}

/** True when a tag is the short form of what was asked for. */
function names(ref: string, tag: string): boolean {
  return ref === tag || `${ref}:latest` === tag || ref.endsWith(`/${tag}`) || `${ref}:latest`.endsWith(`/${tag}`);
}
