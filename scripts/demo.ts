/** `make demo`: a microVM from nothing, what its guest says, and what each step took. */
import { execFile } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";
import { IsthmusError } from "@isthmus/contract";
import { Isthmus } from "@isthmus/sdk";
import { Steps } from "./steps.ts";

const run = promisify(execFile);
const question = [
  'echo "kernel     $(uname -sr)"',
  'echo "uptime     $(cut -d" " -f1 /proc/uptime) s"',
  "echo \"memory     $(free -m | awk '/^Mem/{print $2}') MiB, $(free -m | awk '/^Mem/{print $3}') MiB used\"",
  'echo "processes  $(ls -d /proc/[0-9]* | wc -l), kernel threads included"',
  'echo "hostname   $(hostname)"',
].join("; ");

async function demo(): Promise<void> {
  const steps = new Steps();
  const isthmus = new Isthmus();
  await steps.time("daemon answers", () => run("./isthmus", ["daemon", "start"]));
  await steps.time("kernel is there", () => run("./isthmus", ["kernel", "fetch"]));
  await using machine = await steps.time("machine runs", () =>
    isthmus.machines.run({ image: "busybox", command: ["sh", "-c", `${question}; exec sleep 60`], stopTimeoutMs: 0 }),
  );
  const said: string[] = [];
  await steps.time("guest says", async () => {
    for await (const chunk of machine.rawLogs({ follow: true })) {
      said.push(chunk.bytes.toString());
      if (said.join("").includes("hostname")) break;
    }
  });
  const { isolation, accelerator, timings } = machine.info;
  console.log(`\nA microVM from image busybox says:\n\n${said.join("").replace(/^/gm, "  ").trimEnd()}`);
  console.log(
    `  isolation  ${isolation}\n  accelerator ${accelerator}${accelerator === "tcg" ? " (software emulation: no usable KVM on this host)" : ""}`,
  );
  await steps.time("exec in it", () => machine.execText(["true"]));
  for (const [name, ms] of Object.entries(timings)) steps.add(`  start: ${name}`, ms);
  console.log(`\nSteps:\n\n${steps.table()}\n\nNext: ./isthmus run --rm -it busybox sh    (docs: README.md)\n`);
}

try {
  await demo();
} catch (error) {
  const failure = IsthmusError.from(error);
  console.error(`demo failed: ${failure.message}\n  → ${failure.remedy}`);
  process.exitCode = 1;
}
