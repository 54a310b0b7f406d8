import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type MachineSpec, MIB } from "@isthmus/contract";
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { addRunOptions, machineSpec, type RunOptions } from "./run-options.ts";

const own = { HOME: "/root", TERM: "xterm-256color", EMPTY: "" };

function specOf(line: readonly string[]): MachineSpec {
  const command = addRunOptions(new Command("run")).argument("<image>").argument("[command...]").passThroughOptions().helpOption("--help");
  command.exitOverride().configureOutput({ writeErr: () => undefined });
  command.parse([...line], { from: "user" });
  const [image = "", ...words] = command.args;
  return machineSpec(image, words, command.opts<RunOptions>(), own);
}

const port = { host: 8080, guest: 80, address: "127.0.0.1", protocol: "tcp" };

const table: readonly (readonly [string, string[], Partial<MachineSpec>])[] = [
  ["nothing but an image", [], {}],
  ["-i", ["-i"], { stdin: true }],
  ["-t", ["-t"], { tty: true, env: { TERM: "xterm-256color" } }],
  ["-it together", ["-it"], { stdin: true, tty: true, env: { TERM: "xterm-256color" } }],
  ["-e over the terminal's TERM", ["-t", "-e", "TERM=dumb"], { tty: true, env: { TERM: "dumb" } }],
  ["-d says nothing about the machine", ["-d"], {}],
  ["--rm", ["--rm"], { autoRemove: true }],
  ["--name", ["--name", "web"], { name: "web" }],
  ["--name=", ["--name=web"], { name: "web" }],
  ["-e with a value", ["-e", "A=1"], { env: { A: "1" } }],
  ["-e without a space", ["-eA=1"], { env: { A: "1" } }],
  ["-e with = in the value", ["-e", "A=b=c"], { env: { A: "b=c" } }],
  ["-e with an empty value", ["-e", "A="], { env: { A: "" } }],
  ["-e passing ours on", ["-e", "HOME"], { env: { HOME: "/root" } }],
  ["-e passing an empty one on", ["-e", "EMPTY"], { env: { EMPTY: "" } }],
  ["-e of one we do not have", ["-e", "NOT_SET"], {}],
  ["-e again", ["-e", "A=1", "--env", "B=2", "-e", "A=3"], { env: { A: "3", B: "2" } }],
  ["-p", ["-p", "8080:80"], { ports: [{ ...port }].map((one) => ({ ...one, protocol: "tcp" as const })) }],
  ["-P", ["-P"], { publishExposed: true }],
  ["--cpus", ["--cpus", "4"], { cpus: 4 }],
  ["-m", ["-m", "512m"], { memoryBytes: 512 * MIB }],
  ["--memory with a fraction", ["--memory", "1.5g"], { memoryBytes: 1536 * MIB }],
  ["--disk", ["--disk", "2g"], { diskBytes: 2048 * MIB }],
  ["--cpu-shares, twice docker's default", ["--cpu-shares", "2048"], { resources: { cpuWeight: 200 } }],
  ["--cpu-quota", ["--cpu-quota", "50000"], { resources: { cpuMax: 0.5 } }],
  ["--cpu-quota of a period", ["--cpu-quota", "50000", "--cpu-period", "25000"], { resources: { cpuMax: 2 } }],
  ["--memory-max", ["--memory-max", "200m"], { resources: { memoryMaxBytes: 200 * MIB } }],
  ["--blkio-weight", ["--blkio-weight", "250"], { resources: { ioWeight: 50 } }],
  ["--pids-limit", ["--pids-limit", "64"], { resources: { pidsMax: 64 } }],
  ["--device-read-bps", ["--device-read-bps", "1m"], { resources: { ioReadBps: { rate: MIB } } }],
  [
    "--device-write-bps with a burst",
    ["--device-write-bps", "1m:4m:5s"],
    { resources: { ioWriteBps: { rate: MIB, burst: 4 * MIB, burstMs: 5000 } } },
  ],
  [
    "--device-read-iops and --device-write-iops",
    ["--device-read-iops", "100:200", "--device-write-iops", "50"],
    { resources: { ioReadIops: { rate: 100, burst: 200 }, ioWriteIops: { rate: 50 } } },
  ],
  [
    "--network-receive-bps and --network-send-bps",
    ["--network-receive-bps", "10m:50m:5s", "--network-send-bps", "1m"],
    { resources: { netReceiveBps: { rate: 10 * MIB, burst: 50 * MIB, burstMs: 5000 }, netSendBps: { rate: MIB } } },
  ],
  [
    "--network-receive-pps and --network-send-pps",
    ["--network-receive-pps", "1000:5000", "--network-send-pps", "500"],
    { resources: { netReceivePps: { rate: 1000, burst: 5000 }, netSendPps: { rate: 500 } } },
  ],
  ["--priority and --evictable", ["--priority", "low", "--evictable"], { priority: "low", evictable: true }],
  ["--restart always", ["--restart", "always"], { restart: { policy: "always" } }],
  ["--restart on-failure:3", ["--restart", "on-failure:3"], { restart: { policy: "on-failure", maxRetries: 3 } }],
  ["--read-only", ["--read-only"], { readOnly: true }],
  ["--tmpfs", ["--tmpfs", "/tmp"], { tmpfs: [{ path: "/tmp" }] }],
  [
    "--tmpfs with a size",
    ["--tmpfs", "/tmp:64m", "--tmpfs", "/run:rw,size=1m"],
    {
      tmpfs: [
        { path: "/tmp", sizeBytes: 64 * MIB },
        { path: "/run", sizeBytes: MIB },
      ],
    },
  ],
  ["-w", ["-w", "/srv"], { workdir: "/srv" }],
  ["-u", ["-u", "1000:1000"], { user: "1000:1000" }],
  ["-h is the host name, as in docker", ["-h", "box"], { hostname: "box" }],
  ["--hostname", ["--hostname", "box"], { hostname: "box" }],
  ["--entrypoint", ["--entrypoint", "/bin/sh"], { entrypoint: ["/bin/sh"] }],
  ["--entrypoint of nothing", ["--entrypoint", ""], { entrypoint: [] }],
  ["-l", ["-l", "a=b", "--label", "c"], { labels: { a: "b", c: "" } }],
  ["--stop-signal", ["--stop-signal", "SIGINT"], { stopSignal: "SIGINT" }],
  ["--stop-timeout in seconds", ["--stop-timeout", "3"], { stopTimeoutMs: 3000 }],
  ["--network", ["--network", "user"], { network: "user" }],
  [
    "--network NAME, --ip, --ip6, --network-alias",
    ["--network", "web", "--ip", "10.40.0.9", "--ip6", "fd40::9", "--network-alias", "db", "--network-alias", "sql"],
    { networks: [{ network: "web", ip: "10.40.0.9", ip6: "fd40::9", aliases: ["db", "sql"] }] },
  ],
  ["--egress none", ["--egress", "none"], { egress: { default: "closed", allow: [] } }],
  ["--tenant", ["--tenant", "team-a"], { tenant: "team-a" }],
  ["--max-wait", ["--max-wait", "5m"], { maxWaitMs: 300_000 }],
  ["--max-wait of nothing", ["--max-wait", "0"], { maxWaitMs: 0 }],
  ["--ttl", ["--ttl", "1h30m"], { ttlMs: 5_400_000 }],
  ["--idle-suspend", ["--idle-suspend", "5m"], { idleSuspendMs: 300_000 }],
  ["--idle-suspend in seconds", ["--idle-suspend", "1"], { idleSuspendMs: 1000 }],
  ["--resume-on-contact", ["--resume-on-contact"], { resumeOnContact: true }],
  ["--isolation", ["--isolation", "microvm"], { isolation: "microvm" }],
  ["--log-max", ["--log-max", "16m"], { logMaxBytes: 16 * MIB }],
];

describe("flags of run", () => {
  it.each(table)("%s", (_name, flags, expected) => {
    expect(specOf([...flags, "busybox"])).toEqual({ image: "busybox", ...expected });
  });

  it("leaves what follows the image to the command", () => {
    expect(specOf(["--rm", "busybox", "ls", "-l", "--rm", "--", "-p"])).toEqual({
      image: "busybox",
      autoRemove: true,
      command: ["ls", "-l", "--rm", "--", "-p"],
    });
  });

  it("reads variables from files, over which -e wins", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "isthmus-env-"));
    try {
      const file = path.join(folder, "env");
      writeFileSync(file, "# a comment\nA=file\nB=two words # kept\n\n  C=\nHOME\nNOT_SET\n");
      expect(specOf(["--env-file", file, "-e", "A=flag", "x"]).env).toEqual({ A: "flag", B: "two words # kept", C: "", HOME: "/root" });
      writeFileSync(file, "GOOD=1\nbad name=2\n");
      expect(() => specOf(["--env-file", file, "x"])).toThrow(/env:2/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  const refused: readonly (readonly [string[], RegExp])[] = [
    [["--cpus", "0"], /--cpus.*from 1 to 32/],
    [["--cpus", "1.5"], /--cpus.*whole number/],
    [["--cpus", "many"], /--cpus.*whole number/],
    [["-m", "12q"], /--memory.*size/],
    [["-m", "1m"], /--memory.*from 64\.0 MiB to 1\.0 TiB/],
    [["-m", ""], /--memory/],
    [["--disk", "-1g"], /--disk/],
    [["--restart", "sometimes"], /--restart.*no, on-failure/],
    [["--restart", "on-failure:x"], /--restart/],
    [["--restart", "always:3"], /only on-failure/],
    [["--tmpfs", "tmp"], /absolute path/],
    [["--tmpfs", "/tmp:ro"], /size such as/],
    [["--stop-signal", "SIGNOPE"], /no such signal/],
    [["--stop-timeout", "soon"], /duration/],
    [["--priority", "urgent"], /Allowed choices are low, normal, high/],
    [["--max-wait", "soon"], /--max-wait.*duration such as/],
    [["--ttl", "0"], /--ttl/],
    [["--idle-suspend", "soon"], /--idle-suspend.*duration such as/],
    [["--idle-suspend", "0"], /--idle-suspend.*from 1\.0 s to/],
    [["--idle-suspend", "999ms"], /--idle-suspend.*from 1\.0 s to/],
    [["--idle-suspend", "-5m"], /--idle-suspend/],
    [["--idle-suspend", "366d"], /--idle-suspend.*to 365 days/],
    [["--network", "none", "--network", "web"], /none goes with no other network/],
    [["--ip", "10.0.0.2"], /--ip.*it goes with --network NAME/],
    [["--network", "user", "--network-alias", "db"], /it goes with --network NAME/],
    [["--egress", "a b"], /--egress/],
    [["--isolation", "jail"], /Allowed choices/],
    [["--log-max", "1k"], /--log-max/],
    [["-e", "=x"], /NAME=VALUE/],
    [["-l", "=x"], /KEY=VALUE/],
    [["--env-file", "/does/not/exist"], /cannot use \/does\/not\/exist/],
    [["-p", "0.0.0:80:80"], /must be an IPv4 address/],
  ];
  it.each(refused)("refuses %j", (flags, message) => {
    expect(() => specOf([...flags, "busybox"])).toThrow(message);
  });
});
