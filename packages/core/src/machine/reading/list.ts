import { hasCode, type Machine, type MachinePage } from "@isthmus/contract";
import type { ListQuery } from "../actions.ts";
import type { Context } from "../context.ts";
import type { ImageFilter, Place } from "../ports.ts";

/** See `Machines.list`. */
export async function listMachines(context: Context, { ancestors, before, since, ...query }: ListQuery): Promise<MachinePage> {
  const placeOf = (ref: string | undefined): Place | undefined =>
    ref === undefined ? undefined : context.store.machine(ref, query.tenant).machine;
  const { next, records } = context.store.machines({
    ...query,
    before: placeOf(before),
    after: placeOf(since),
    images: ancestors && (await Promise.all(ancestors.map((ref) => imageFilter(context, ref)))),
  });
  return { machines: records.map(({ machine }) => machine), next };
}

/** Machines say `busybox`, `busybox:latest` or a digest and mean the same; what they were made of stays theirs when the tag has moved on. */
async function imageFilter({ images }: Context, ref: string): Promise<ImageFilter> {
  const names = [ref, ref.endsWith(":latest") ? ref.slice(0, -":latest".length) : `${ref}:latest`];
  try {
    return { names, digest: (await images.resolve(ref)).digest };
  } catch (error) {
    // The image may be gone that machines were made of; what is no image's name is no machine's image either.
    if (hasCode(error, "IMAGE_NOT_FOUND", "INVALID_IMAGE_REF")) return { names };
    throw error;
  }
}

/** See `Machines.sizes`. */
export async function sizesOf({ store, folders }: Context): Promise<readonly { readonly machine: Machine; readonly sizeBytes: number }[]> {
  const sizes: { machine: Machine; sizeBytes: number }[] = [];
  // One after the other: who asks can wait, and there may be thousands.
  for (const { machine } of store.allMachines()) sizes.push({ machine, sizeBytes: await folders.usedBytes(machine.id) });
  return sizes;
}
