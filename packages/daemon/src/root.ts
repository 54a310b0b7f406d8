import { join } from "node:path";

/** The folder of the checkout or installation: three above this file, one above the bundle (docs/adr/0006). */
export const PROJECT_ROOT = join(import.meta.dirname, import.meta.filename.endsWith(".ts") ? "../../.." : "..");
