import { rmSync } from "node:fs";
import process from "node:process";
import { World } from "./world.ts";

/** Once for all system tests: fetches the kernel and finds the accelerator, as the first machine of a fresh host does. */
export default async function seed(): Promise<() => void> {
  const world = new World();
  try {
    await world.run(["run", "--rm", "busybox", "true"]);
  } finally {
    await world.run(["daemon", "stop"]);
  }
  process.env.ISTHMUS_TEST_SEED = world.home;
  return () => rmSync(world.home, { recursive: true, force: true });
}
