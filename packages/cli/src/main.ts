#!/usr/bin/env node
import { runCli } from "./cli.ts";
import { realWorld } from "./world.ts";

// The launchers turn on Node's compile cache before this file is read, so that it is in it as well.
process.exit(await runCli(process.argv.slice(2), realWorld()));
