import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The kernel's files below `root`, which is `/` but for tests. Synchronous, because reads and writes of them wait for no disk. */
export class KernelFiles {
  readonly #root: string;

  constructor(root = "/") {
    this.#root = root;
  }

  text(path: string): string | undefined {
    try {
      return readFileSync(join(this.#root, path), "utf8");
    } catch {
      return undefined;
    }
  }

  exists(path: string): boolean {
    return existsSync(join(this.#root, path));
  }

  /** Why it could not be written; undefined when it was. */
  write(path: string, value: string | number): string | undefined {
    return attempt(path, () => writeFileSync(join(this.#root, path), String(value)));
  }

  /** As `write`, for what keeps the kernel busy for long. */
  async writeSlowly(path: string, value: string | number): Promise<boolean> {
    return await writeFile(join(this.#root, path), String(value)).then(
      () => true,
      () => false,
    );
  }

  /** Why there is no such folder; undefined when there is. */
  makeFolder(path: string): string | undefined {
    return this.#mkdir(path) && this.#mkdir(path);
  }

  /** Another daemon may remove a folder on the way that it has no more use for: the second try makes it anew. */
  #mkdir(path: string): string | undefined {
    return attempt(path, () => mkdirSync(join(this.#root, path), { recursive: true }));
  }

  /** False when it is gone already, or the kernel does not let it go: a group with a process in it stays. */
  removeFolder(path: string): boolean {
    return attempt(path, () => rmdirSync(join(this.#root, path))) === undefined;
  }

  /** Names in a folder; those in /sys are links to folders. */
  entries(path: string): readonly string[] {
    try {
      return readdirSync(join(this.#root, path));
    } catch {
      return [];
    }
  }

  folders(path: string): readonly string[] {
    try {
      return readdirSync(join(this.#root, path), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
    } catch {
      return [];
    }
  }
}

function attempt(path: string, action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    return `${path}: ${code}`;
  }
}
