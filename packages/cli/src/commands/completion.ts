import { Argument, Command } from "commander";
import { type Shell, scripts, shells } from "../completion/scripts.ts";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";

export function completion(context: Context): Command {
  return new Command("completion")
    .description("Print the completion script of a shell: commands, options, and the names of machines and images.")
    .addArgument(new Argument("<shell>", "which shell").choices(shells))
    .addHelpText(
      "after",
      examples([
        ["source <(isthmus completion bash)", "for this shell"],
        ["isthmus completion zsh > ~/.zfunc/_isthmus"],
        ["isthmus completion fish > ~/.config/fish/completions/isthmus.fish"],
      ]),
    )
    .action(async (shell: Shell) => {
      if (context.json) return context.printJson({ shell, script: scripts[shell] });
      await context.print(scripts[shell]);
    });
}
