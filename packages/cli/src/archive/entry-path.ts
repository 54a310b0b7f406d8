import { IsthmusError } from "@isthmus/contract";

/** Components of an entry's name below the archive's root. A guest wrote it: names that climb or are no names end the copy with BAD_ARCHIVE. */
export function entryComponents(name: string): readonly string[] {
  if (name.includes("\0")) throw new IsthmusError("BAD_ARCHIVE", { reason: "a name holds a zero byte" });
  const components = name.split("/").filter((part) => part !== "" && part !== ".");
  if (components.includes("..")) throw new IsthmusError("BAD_ARCHIVE", { reason: `an entry climbs out of the archive: ${name}` });
  return components;
}

/**
 * Components below the copied thing itself, whose own name stands first in every entry of the archive.
 * Throws BAD_ARCHIVE when the name is another's.
 */
export function belowSource(name: string, sourceName: string): readonly string[] {
  const components = entryComponents(name);
  if (sourceName === "" || components.length === 0) return components;
  if (components[0] !== sourceName) throw new IsthmusError("BAD_ARCHIVE", { reason: `an entry is not of what was asked for: ${name}` });
  return components.slice(1);
}
