import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A private folder for one import, gone with it whatever happens. */
export class Workspace implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(storeFolder: string): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(storeFolder, "tmp", "import-")));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async write(name: string, bytes: Uint8Array): Promise<string> {
    const path = this.path(name);
    await writeFile(path, bytes, { flag: "wx", mode: 0o600 });
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
