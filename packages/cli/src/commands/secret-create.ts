import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { IsthmusError } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { invalid } from "../parse/invalid.ts";

export function secretCreate(context: Context): Command {
  return new Command("create")
    .description(
      "Keep a secret for machines. Its value comes from a file or from stdin, byte for byte; it is never part of a command line.",
    )
    .argument("<name>", "its name")
    .argument("[file]", "file with the value; stdin when absent or -")
    .option("--tenant <name>", "whose machines may use it; the token's tenant when absent, else the default one")
    .addHelpText(
      "after",
      examples([
        ['printf %s "$PASSWORD" | isthmus secret create db-password', "without a line end, which would be part of it"],
        ["isthmus secret create tls-key server.key"],
        ["isthmus run --secret db-password --secret-env API_KEY=api-key app", "used"],
      ]),
    )
    .action(async (name: string, file: string | undefined, { tenant }: { readonly tenant?: string }) => {
      const value = await readValue(context, file);
      const isthmus = await context.client();
      const secret = await isthmus.secrets.create(name, value, { tenant });
      if (context.json) return context.printJson(secret);
      await context.print(`${secret.name}\n`);
    });
}

async function readValue({ world: { stdin } }: Context, file: string | undefined): Promise<Buffer> {
  if (file === undefined || file === "-") {
    if (stdin.isTTY) throw invalid("file", "a terminal", "what is typed would be seen; give a file, or pipe the value in");
    return await buffer(stdin);
  }
  try {
    return await readFile(file);
  } catch (cause) {
    throw new IsthmusError("LOCAL_FILE", { path: file, reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}
