import { once } from "node:events";
import { constants } from "node:fs";
import { lstat, open, readdir, readlink, stat } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { IsthmusError } from "@isthmus/contract";
import { type Header, type Pack, pack } from "tar-stream";

type Headers = Partial<Header> & Pick<Header, "name">;

export interface PackOptions {
  /** name of the source in the archive; empty: only its content, without a folder around it */
  readonly name: string;
  /** owners as they are; root otherwise */
  readonly keepOwners: boolean;
  /** copy what the source itself points to, when it is a symbolic link */
  readonly followSource: boolean;
  readonly onBytes?: (bytes: number) => void;
  /** called with what cannot be copied: sockets, devices, pipes */
  readonly onSkipped?: (file: string) => void;
}

/** A tar archive of a local file or folder, symbolic links as links. The stream fails with LOCAL_FILE. */
export function packTree(source: string, options: PackOptions): Readable {
  const archive = pack();
  const walk = new TreePacker(archive, options);
  walk.add(source, options.name, options.followSource).then(
    () => archive.finalize(),
    (cause: unknown) => archive.destroy(failure(source, cause)),
  );
  return Readable.from(archive, { objectMode: false });
}

function failure(file: string, cause: unknown): IsthmusError {
  if (cause instanceof IsthmusError) return cause;
  return new IsthmusError("LOCAL_FILE", { path: file, reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
}

class TreePacker {
  readonly #archive: Pack;
  readonly #options: PackOptions;

  constructor(archive: Pack, options: PackOptions) {
    this.#archive = archive;
    this.#options = options;
  }

  async add(file: string, name: string, follow = false): Promise<void> {
    const stats = await (follow ? stat(file) : lstat(file)).catch((cause: unknown) => Promise.reject(failure(file, cause)));
    const owner = this.#options.keepOwners ? { uid: stats.uid, gid: stats.gid } : { uid: 0, gid: 0 };
    const headers: Headers = { name, mode: stats.mode & 0o7777, mtime: stats.mtime, ...owner };
    if (stats.isFile()) await this.#file(file, headers, follow);
    else if (stats.isSymbolicLink()) await this.#entry({ ...headers, type: "symlink", linkname: await readlink(file) });
    else if (stats.isDirectory()) await this.#folder(file, headers);
    else this.#options.onSkipped?.(file);
  }

  async #folder(folder: string, headers: Headers): Promise<void> {
    if (headers.name !== "") await this.#entry({ ...headers, name: `${headers.name}/`, type: "directory" });
    for (const child of (await readdir(folder)).sort()) await this.add(path.join(folder, child), path.posix.join(headers.name, child));
  }

  #entry(headers: Headers): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#archive.entry(headers, "", (error) => (error ? reject(error) : resolve()));
    });
  }

  /** The size is fixed once the header is out: a file that grows is cut, one that shrinks is an error. */
  async #file(file: string, headers: Headers, follow: boolean): Promise<void> {
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK | (follow ? 0 : constants.O_NOFOLLOW)).catch(
      (cause: unknown) => Promise.reject(failure(file, cause)),
    );
    try {
      const { size } = await handle.stat();
      if (size === 0) return await this.#entry({ ...headers, size, type: "file" });
      const written = Promise.withResolvers<void>();
      const entry = this.#archive.entry({ ...headers, size, type: "file" }, (error) => (error ? written.reject(error) : written.resolve()));
      written.promise.catch(() => undefined);
      let read = 0;
      for await (const piece of handle.createReadStream({ end: size - 1, autoClose: false })) {
        const bytes: Buffer = piece;
        read += bytes.length;
        if (!entry.write(bytes)) await once(entry, "drain");
        this.#options.onBytes?.(bytes.length);
      }
      if (read < size) throw new IsthmusError("LOCAL_FILE", { path: file, reason: "it became shorter while it was read" });
      entry.end(undefined);
      await written.promise;
    } finally {
      await handle.close();
    }
  }
}
