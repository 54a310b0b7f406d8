export { BUSYBOX_PATH, busyboxRootfs, ensureBuiltIn } from "./busybox.ts";
export { type ImageLimits, imageLimits } from "./config.ts";
export { createImageStore, type ImageStoreOptions, type LocalImageStore, type LocalImportOptions } from "./image-store.ts";
export { type Packer, type PackerOptions, type PackRequest, squashfsPacker } from "./packer.ts";
export type { RegistrySettings } from "./registry/config.ts";
