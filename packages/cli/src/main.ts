#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";

// An optimizing compiler's thread that is out of memory waits for the main thread to collect garbage, and that waits in process.exit for the thread: the
// command hangs with its work done, once in a dozen large copies (https://github.com/nodejs/node/issues/54918). So there is no such thread. The flags come
// before all else is loaded: the compile cache, which the launchers turn on, gives code only to a process with the flags that it was compiled under.
setFlagsFromString("--no-maglev");
setFlagsFromString("--no-opt");
const [{ runCli }, { realWorld }] = await Promise.all([import("./cli.ts"), import("./world.ts")]);

process.exit(await runCli(process.argv.slice(2), realWorld()));
