import type { Finding } from "@isthmus/contract";
import { Command } from "commander";
import { exitCodes } from "../config.ts";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { escapeControls } from "../terminal/escape.ts";
import type { Style } from "../terminal/style.ts";

export function doctor(context: Context): Command {
  return new Command("doctor")
    .description(
      "Check this host: accelerator, packages, kernel, permissions, cgroups, pressure, limits. Exit code 1 when something must be mended.",
    )
    .option("--probe", "find out anew what boots a guest here: after a change to the host, or when it was very busy the first time")
    .addHelpText(
      "after",
      examples([
        ["isthmus doctor"],
        ["isthmus doctor --probe", "is there KVM by now?"],
        ["isthmus doctor --json | jq '.findings[] | select(.level == \"error\")'"],
      ]),
    )
    .action(async (options: { readonly probe?: boolean }) => {
      const isthmus = await context.client();
      const report = await isthmus.doctor(options);
      if (!report.ok) context.exitCode = exitCodes.error;
      if (context.json) return context.printJson(report);
      await context.print(report.findings.map((finding) => findingText(finding, context.style)).join(""));
      const errors = report.findings.filter(({ level }) => level === "error").length;
      await context.print(report.ok ? "\nNothing must be mended.\n" : `\n${errors} ${errors === 1 ? "thing" : "things"} to mend.\n`);
    });
}

export function findingText({ level, title, detail, remedy }: Finding, style: Style): string {
  const mark = {
    ok: style.green("ok     "),
    note: style.cyan("note   "),
    warning: style.yellow("warning"),
    error: style.red("error  "),
  }[level];
  const lines = [`${mark}  ${style.bold(escapeControls(title))}`];
  if (detail !== "") lines.push(`         ${escapeControls(detail)}`);
  if (remedy !== "") lines.push(`         → ${escapeControls(remedy)}`);
  return `${lines.join("\n")}\n`;
}
