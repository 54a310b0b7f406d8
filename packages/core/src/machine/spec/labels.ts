import { type Image, limits, type MachineSpec } from "@isthmus/contract";

/**
 * The image's labels with those of the spec, which win, as docker puts them together. Labels of an image over our limits are left out with a note: what an image says of itself is
 * no reason not to run it.
 */
export function resolveLabels(spec: MachineSpec, image: Image, notes: string[]): Pick<MachineSpec, "labels"> {
  const own = spec.labels ?? {};
  const room = limits.labels - Object.keys(own).length;
  const ofImage = Object.entries(image.config.labels).filter(([key]) => !Object.hasOwn(own, key));
  const fitting = ofImage.filter(
    ([key, value]) => key.length > 0 && key.length <= limits.labelKeyChars && value.length <= limits.labelValueChars,
  );
  const taken = fitting.slice(0, room);
  const left = ofImage.length - taken.length;
  if (left > 0) notes.push(`${left} of the image's labels are over the limits of labels and are left out`);
  if (spec.labels === undefined && taken.length === 0) return {};
  return { labels: { ...Object.fromEntries(taken), ...own } };
}
