import path from "node:path";
import { dockerAuth, IsthmusError, type RegistryAuth } from "@isthmus/sdk";
import type { Context } from "../context.ts";
import { escapeControls } from "../terminal/escape.ts";

/** The account that docker login left for an image's registry. What keeps it from being found is told, and no reason to stop: most images need none. */
export async function accountFor(context: Context, ref: string): Promise<RegistryAuth | undefined> {
  const { DOCKER_CONFIG, HOME } = context.world.env;
  const folder = DOCKER_CONFIG || (HOME === undefined ? undefined : path.join(HOME, ".docker"));
  try {
    return await dockerAuth(ref, { folder });
  } catch (error) {
    context.note(`note: no account from docker's settings: ${escapeControls(IsthmusError.from(error).message)}`);
    return undefined;
  }
}
