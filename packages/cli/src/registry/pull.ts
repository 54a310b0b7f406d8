import { hasCode, type Image, type Isthmus, type Machine, type PullPolicy } from "@isthmus/sdk";
import type { Context } from "../context.ts";
import { layersView } from "../terminal/layers.ts";
import { accountFor } from "./account.ts";

/** Pulls with progress on stderr. */
export async function pullImage(context: Context, isthmus: Isthmus, ref: string, quiet: boolean): Promise<Image> {
  const auth = await accountFor(context, ref);
  const view = layersView(context.world.stderr, context.json || quiet);
  try {
    return await isthmus.images.pull(ref, { auth, onProgress: view.update });
  } finally {
    view.stop();
  }
}

/**
 * Makes a machine of an image that is asked of its registry as `policy` says. The daemon does not pull by itself here: it has no account, and tells no progress.
 * Throws as `create` and `pull` do.
 */
export async function createPulling(
  context: Context,
  isthmus: Isthmus,
  { image, policy, quiet }: { readonly image: string; readonly policy: PullPolicy; readonly quiet: boolean },
  create: (pull: PullPolicy) => Promise<Machine>,
): Promise<Machine> {
  if (policy === "always") await pullImage(context, isthmus, image, quiet);
  try {
    return await create("never");
  } catch (error) {
    // A digest alone, as `image ls -q` prints it, is of no registry.
    if (policy !== "missing" || !hasCode(error, "IMAGE_NOT_FOUND") || /^sha256:/.test(image)) throw error;
  }
  await pullImage(context, isthmus, image, quiet || !context.world.stderr.isTTY);
  return await create("never");
}
