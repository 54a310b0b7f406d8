import { type Image, IsthmusError, type MachineSpec, type Template } from "@isthmus/contract";
import type { Engine, HostCapacity, Images } from "../machine/ports.ts";
import { checkBootable } from "../machine/spec/bootable.ts";
import { resolveSpec } from "../machine/spec/resolve-spec.ts";
import type { Pools } from "./pools.ts";
import { shapeOfSpec } from "./shape.ts";
import type { Templates } from "./templates.ts";

/** What can be done with templates. After the daemon's close SHUTTING_DOWN. */
export interface TemplateActions {
  /** Last used first. */
  list(): Promise<readonly Template[]>;
  /**
   * Makes the template that machines of this spec are cloned from, unless there is one, and counts as a start of one for its pool. Throws what making a machine of it would throw, and TEMPLATE_FAILED
   * with the reason why its machines will boot.
   */
  warm(spec: MachineSpec, signal?: AbortSignal): Promise<Template>;
  /** By key or prefix of it. Machines that were cloned from it go on. Throws TEMPLATE_NOT_FOUND. */
  remove(ref: string): Promise<Template>;
  /** Removes those that no machine was started from for `unusedMs`, and quarantined ones. */
  prune(unusedMs: number): Promise<readonly Template[]>;
}

export interface TemplateActionsParts {
  readonly templates?: Templates;
  readonly pools?: Pools;
  readonly engines: readonly Engine[];
  readonly images: Images;
  readonly capacity: HostCapacity;
  readonly checkOpen: () => void;
}

/** A machine that is never made needs a name and an id that pass. */
const NOBODY = { id: "0000000000000000", name: "template" } as const;

export function createTemplateActions(parts: TemplateActionsParts): TemplateActions {
  const known = (): Templates => {
    parts.checkOpen();
    if (parts.templates === undefined) throw new IsthmusError("TEMPLATE_FAILED", { reason: "templates are switched off" });
    return parts.templates;
  };
  const shown = (template: Template): Template => {
    const { key } = template;
    return { ...template, prepared: parts.pools?.count(key) ?? 0, zygote: parts.pools?.hasZygote(key) ?? false };
  };
  return {
    list: async () => (await known().list()).map(shown),
    async warm(spec, signal = new AbortController().signal) {
      const templates = known();
      await checkBootable(parts.engines, spec);
      const image = await parts.images.resolve(spec.image);
      const { cloning, shape } = cloningOf(parts, spec, image);
      const answer = await templates.acquire({ cloning, shape, imageDigest: image.digest }, signal);
      if (answer === undefined) throw new IsthmusError("TEMPLATE_FAILED", { reason: "templates are switched off" });
      if ("without" in answer) throw new IsthmusError("TEMPLATE_FAILED", { reason: answer.without });
      parts.pools?.want(answer.key, cloning, shape);
      return shown(templates.get(answer.key));
    },
    async remove(ref) {
      const removed = await known().remove(ref);
      await parts.pools?.drop(removed.key);
      return removed;
    },
    async prune(unusedMs) {
      const removed = await known().prune(unusedMs);
      for (const { key } of removed) await parts.pools?.drop(key);
      return removed;
    },
  };
}

function cloningOf(parts: TemplateActionsParts, wanted: MachineSpec, image: Image & { readonly rootfsPath: string }) {
  const isolations = parts.engines.map(({ isolation }) => isolation);
  const asked = { ...wanted, command: wanted.command ?? ["template"] };
  const { spec, isolation } = resolveSpec(asked, image, { ...NOBODY, isolations, hostCpus: parts.capacity.cpus() });
  const cloning = parts.engines.find((engine) => engine.isolation === isolation)?.cloning;
  if (cloning === undefined) throw new IsthmusError("TEMPLATE_FAILED", { reason: `machines of isolation ${isolation} are not cloned` });
  return { cloning, shape: shapeOfSpec(spec, image.rootfsPath) };
}
