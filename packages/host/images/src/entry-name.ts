import { tarLimits } from "./config.ts";
import { badImage } from "./failures.ts";
import type { ByteString } from "./tar-header.ts";
import { printable } from "./tar-reader.ts";

/**
 * The components of a name in a layer; none for the root itself. A leading `/` means the image's own root, as to containerd (nix and kaniko write such
 * names); `..` is refused wherever it stands. Throws BAD_IMAGE.
 */
export function splitName(name: ByteString): readonly ByteString[] {
  if (name === "") throw badImage("a tar entry has no name");
  if (name.includes("\0")) throw badImage(`the name ${printable(name)} holds a NUL`);
  if (name.length > tarLimits.pathBytes) throw badImage(`the name ${printable(name)} is longer than ${tarLimits.pathBytes} bytes`);
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  for (const part of parts) checkComponent(part, name);
  if (parts.length > tarLimits.depth) throw badImage(`the name ${printable(name)} is deeper than ${tarLimits.depth} folders`);
  return parts;
}

export function checkComponent(part: ByteString, name: ByteString): void {
  if (part === "..") throw badImage(`the name ${printable(name)} leads out of the image`);
  if (part.length > tarLimits.nameBytes)
    throw badImage(`a part of the name ${printable(name)} is longer than ${tarLimits.nameBytes} bytes`);
}

const WHITEOUT = ".wh.";
const WHITEOUT_META = ".wh..wh.";

export type Whiteout = { readonly kind: "opaque" } | { readonly kind: "meta" } | { readonly kind: "remove"; readonly name: ByteString };

/** What `base`, the last component of a name, says about lower layers (image-spec v1.1, layer.md); undefined for an ordinary name. Throws BAD_IMAGE. */
export function whiteoutOf(base: ByteString): Whiteout | undefined {
  if (!base.startsWith(WHITEOUT)) return undefined;
  if (base === ".wh..wh..opq") return { kind: "opaque" };
  if (base.startsWith(WHITEOUT_META)) return { kind: "meta" };
  const name = base.slice(WHITEOUT.length);
  if (name === "" || name === "." || name === "..") throw badImage(`the whiteout ${printable(base)} names no file`);
  return { kind: "remove", name };
}

/** Files that only aufs understood: they are passed over, as containerd does. */
export function isWhiteoutMeta(parts: readonly ByteString[]): boolean {
  return parts.some((part) => part.startsWith(WHITEOUT_META) && part !== ".wh..wh..opq");
}
