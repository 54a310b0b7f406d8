import { IsthmusError, type MachineSpec, type Template } from "@isthmus/contract";
import type { TemplateActions } from "@isthmus/core";

/** Templates in memory. */
export class FakeTemplates implements TemplateActions {
  readonly entries: Template[] = [];

  async list(): Promise<readonly Template[]> {
    return this.entries;
  }

  async warm(spec: MachineSpec): Promise<Template> {
    const now = new Date().toISOString();
    const template: Template = {
      key: String(this.entries.length).padStart(64, "0"),
      state: "ready",
      imageDigest: `sha256:${"0".repeat(64)}`,
      engine: "fake 1",
      accelerator: "tcg",
      cpus: spec.cpus ?? 1,
      memoryBytes: spec.memoryBytes ?? 1,
      network: "none",
      sizeBytes: 1,
      createdAt: now,
      usedAt: now,
      clones: 0,
    };
    this.entries.push(template);
    return template;
  }

  async remove(ref: string): Promise<Template> {
    const at = this.entries.findIndex(({ key }) => key.startsWith(ref));
    const [removed] = at < 0 ? [] : this.entries.splice(at, 1);
    if (removed === undefined) throw new IsthmusError("TEMPLATE_NOT_FOUND", { ref });
    return removed;
  }

  async prune(): Promise<readonly Template[]> {
    return this.entries.splice(0);
  }
}
