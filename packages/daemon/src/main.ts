import { enableCompileCache } from "node:module";
import { join } from "node:path";

// Before anything else is loaded: code that is compiled already spares a second of the start and 35 MB. It lies beside the code, as trusted as that.
enableCompileCache(join(import.meta.dirname, "../../../.cache/node"));
const { runDaemon } = await import("./run.ts");
const { startAnewIfCompiled } = await import("./compiled.ts");
await startAnewIfCompiled();
await runDaemon();
