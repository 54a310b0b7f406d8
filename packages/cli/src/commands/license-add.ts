import { type LicenceMetric, type LicencePoolSpec, limits } from "@isthmus/contract";
import { Command, Option } from "commander";
import type { Context } from "../context.ts";
import { collect, examples } from "../help.ts";
import { duration, wholeNumber } from "../parse/amounts.ts";
import { day } from "../parse/moments.ts";

interface AddOptions {
  readonly seats: number;
  readonly metric: LicenceMetric;
  readonly name?: string;
  readonly minimum?: number;
  readonly from?: string;
  readonly to?: string;
  readonly soft?: boolean;
  readonly graceSeats?: number;
  readonly grace?: number;
  readonly refuse?: boolean;
  readonly keepSuspended?: boolean;
  readonly image?: string[];
  readonly replace?: boolean;
  readonly json?: boolean;
}

const metrics: readonly LicenceMetric[] = ["per-machine", "per-vcpu", "per-host-core", "per-named-user", "concurrent"];

export function licenseAdd(context: Context): Command {
  return new Command("add")
    .description("Add a pool of seats of a licensed product. Prints its name.")
    .argument("<product>", "what machines name: run --licence, the label org.isthmus.licences of an image or machine")
    .requiredOption("--seats <number>", "how many there are", wholeNumber("--seats", 0, limits.seats))
    .addOption(new Option("--metric <metric>", "what is counted").choices([...metrics]).default("per-machine"))
    .option("--name <name>", "name of the pool; the product when absent")
    .option("--minimum <number>", "per-vcpu: seats that a machine takes at least", wholeNumber("--minimum", 1, limits.seats))
    .option("--from <time>", "no seat is granted before, such as 2026-01-31", day("--from"))
    .option("--to <time>", "no seat is granted from then on", day("--to"))
    .option("--soft", "the limit may be exceeded for a while")
    .option("--grace-seats <number>", "soft: by how many; a tenth when absent", wholeNumber("--grace-seats", 0, limits.seats))
    .option("--grace <duration>", "soft: for how long, such as 48h; 7 days when absent", duration("--grace", 0, limits.ttlMaxMs))
    .option("--refuse", "starts without a seat are refused instead of waiting for one")
    .option("--keep-suspended", "suspended machines keep their seats")
    .option("--image <pattern>", "machines of such images need the product, * for any characters (repeatable)", collect)
    .option("--replace", "change the pool when there is one of this name")
    .addHelpText(
      "after",
      examples([
        ["isthmus license add matlab --seats 20"],
        ["isthmus license add oracle-db --metric per-vcpu --minimum 4 --seats 64 --image 'oracle:*'"],
        ["isthmus license add sap --metric per-named-user --seats 50 --soft --grace 48h --to 2027-01-01"],
      ]),
    )
    .action(async (product: string, options: AddOptions) => {
      const isthmus = await context.client();
      const spec = specOf(product, options);
      const pool = await (options.replace ? isthmus.licences.replace(spec) : isthmus.licences.add(spec));
      if (context.json) await context.printJson(pool);
      else await context.print(`${pool.name}\n`);
    });
}

function specOf(product: string, options: AddOptions): LicencePoolSpec {
  const { seats, metric, name, minimum, from, to, soft, graceSeats, grace, refuse, keepSuspended, image } = options;
  return {
    name,
    product,
    metric,
    seats,
    minimumPerMachine: minimum,
    validFrom: from,
    validTo: to,
    limit: soft ? "soft" : undefined,
    graceSeats,
    graceMs: grace,
    onShortage: refuse ? "refuse" : undefined,
    onSuspend: keepSuspended ? "keep" : undefined,
    images: image,
  };
}
