import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export const RELEASE = "6.1.0-99-cloud-amd64";
export const METAPACKAGE_DEPENDENCY = `linux-image-${RELEASE}`;

export function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** Bytes with the header fields of a bzImage that names `version`. */
export function fakeBzImage(version: string): Buffer {
  const image = Buffer.alloc(4096);
  image.write("HdrS", 0x202, "latin1");
  image.writeUInt16LE(0x400, 0x20e);
  image.write(`${version} (builder) #1 SMP\0`, 0x600, "latin1");
  return image;
}

/** Bytes with the `depends=` line of a module. */
export function fakeModule(name: string, depends: readonly string[] = []): Buffer {
  return Buffer.from(`\x7fELF\0license=GPL\0depends=${depends.join(",")}\0name=${name}\0`, "latin1");
}

const modules: Readonly<Record<string, readonly string[]>> = {
  "drivers/virtio/virtio_ring.ko": [],
  "drivers/virtio/virtio.ko": ["virtio_ring"],
  "drivers/virtio/virtio_mmio.ko": ["virtio", "virtio_ring"],
  "drivers/virtio/virtio_pci.ko": ["virtio_ring", "virtio"],
  "drivers/block/virtio_blk.ko": ["virtio", "virtio_ring"],
  "drivers/char/virtio_console.ko": ["virtio", "virtio_ring"],
  "drivers/char/hw_random/virtio-rng.ko": ["virtio"],
  "net/core/failover.ko": [],
  "drivers/net/net_failover.ko": ["failover"],
  "drivers/net/virtio_net.ko": ["virtio", "net_failover"],
  "fs/squashfs/squashfs.ko": [],
  "fs/overlayfs/overlay.ko": [],
  "sound/useless.ko": [],
};

/** A kernel's module tree in which ext4 is built in. */
export function moduleTree(tree: string, without: readonly string[] = []): void {
  write(join(tree, "modules.builtin"), "kernel/fs/ext4/ext4.ko\nkernel/lib/crc32.ko\n");
  for (const [path, depends] of Object.entries(modules)) {
    if (!without.some((name) => path.endsWith(`/${name}.ko`))) write(join(tree, "kernel", path), fakeModule(path, depends));
  }
}

function control(fields: Readonly<Record<string, string>>): string {
  return `${Object.entries(fields)
    .map(([key, value]) => `${key}: ${value}`)
    .join("\n")}\n`;
}

function entry(root: string, name: string, fields: Readonly<Record<string, string>>, content: (folder: string) => void): string {
  const all = {
    Package: name,
    Version: "6.1.999-1",
    Architecture: "amd64",
    Maintainer: "nobody <nobody@localhost>",
    Description: "test",
    ...fields,
  };
  const folder = join(root, "build", name);
  write(join(folder, "DEBIAN/control"), control(all));
  content(folder);
  const file = `${name}.deb`;
  execFileSync("dpkg-deb", ["-Znone", "--root-owner-group", "-b", folder, join(root, "repo", file)], { stdio: "ignore" });
  const bytes = readFileSync(join(root, "repo", file));
  const sum = createHash("sha256").update(bytes).digest("hex");
  return control({ ...all, Filename: `./${file}`, Size: String(statSync(join(root, "repo", file)).size), SHA256: sum });
}

/** A source package whose tree is one Makefile. */
function sourceEntry(root: string, makefile: string): string {
  const name = "linux-source-6.1";
  write(join(root, "tree", name, "Makefile"), makefile);
  write(join(root, "tree", name, "image"), fakeBzImage("6.1.999-isthmus"));
  return entry(root, name, {}, (folder) => {
    mkdirSync(join(folder, "usr/src"), { recursive: true });
    execFileSync("tar", ["-cJf", join(folder, `usr/src/${name}.tar.xz`), "-C", join(root, "tree"), name]);
  });
}

interface AptOptions {
  readonly empty?: boolean;
  /** modules that the kernel package lacks */
  readonly without?: readonly string[];
  /** of the source package; without one there is no such package */
  readonly makefile?: string;
}

/**
 * A package archive in a folder and an apt configuration that knows nothing else, both under `root`; the environment that makes apt use it. With
 * `empty` apt has no package lists at all.
 */
export function aptWith(root: string, options: AptOptions = {}): NodeJS.ProcessEnv {
  for (const folder of [
    "repo",
    "state/lists/partial",
    "cache/archives/partial",
    "etc/trusted.gpg.d",
    "etc/preferences.d",
    "etc/apt.conf.d",
  ]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  write(join(root, "etc/sources.list"), `deb [trusted=yes] file:${join(root, "repo")} ./\n`);
  write(join(root, "state/status"), "");
  const config = [
    `Dir::State "${join(root, "state")}";`,
    `Dir::State::status "${join(root, "state/status")}";`,
    `Dir::Cache "${join(root, "cache")}";`,
    `Dir::Etc "${join(root, "etc")}";`,
    'APT::Architecture "amd64";',
    'APT::Sandbox::User "root";',
  ];
  write(join(root, "apt.conf"), `${config.join("\n")}\n`);
  const env = { ...process.env, APT_CONFIG: join(root, "apt.conf") };
  if (options.empty) return env;
  const kernel = entry(root, METAPACKAGE_DEPENDENCY, {}, (folder) => {
    write(join(folder, `boot/vmlinuz-${RELEASE}`), fakeBzImage(RELEASE));
    moduleTree(join(folder, "lib/modules", RELEASE), options.without);
  });
  const meta = entry(root, "linux-image-cloud-amd64", { Depends: METAPACKAGE_DEPENDENCY }, () => undefined);
  const source = options.makefile === undefined ? [] : [sourceEntry(root, options.makefile)];
  write(join(root, "repo/Packages"), [kernel, meta, ...source].join("\n"));
  execFileSync("apt-get", ["-q", "-q", "update"], { env, stdio: "ignore" });
  return env;
}
