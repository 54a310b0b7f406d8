import { type ErrorCode, type Image, IsthmusError, type MachineSpec, MIB } from "@isthmus/contract";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resolveSpec } from "./resolve-spec.ts";

const image: Image = {
  digest: "sha256:00",
  tags: [],
  architecture: "amd64",
  os: "linux",
  createdAt: "2026-01-01T00:00:00Z",
  sizeBytes: 0,
  rootfsBytes: 0,
  rootfsFormat: "squashfs",
  layers: [],
  config: {
    entrypoint: ["/entry"],
    cmd: ["serve", "--fast"],
    env: ["A=image", "B=image"],
    workdir: "/srv",
    user: "app",
    exposedPorts: [],
    volumes: [],
    stopSignal: "SIGQUIT",
    labels: {},
  },
  builtIn: false,
};
const context = { id: "0123456789abcdef", name: "web", isolations: ["microvm"], hostCpus: 2 } as const;
const resolve = (spec: Partial<MachineSpec>, from: Image = image) => resolveSpec({ image: "i", ...spec }, from, context);
const withConfig = (config: Partial<Image["config"]>): Image => ({ ...image, config: { ...image.config, ...config } });

describe("a spec and its image", () => {
  it.each<[string, Partial<MachineSpec>, string[]]>([
    ["nothing given", {}, ["/entry", "serve", "--fast"]],
    ["a command replaces the image's", { command: ["x"] }, ["/entry", "x"]],
    ["an entrypoint replaces both", { entrypoint: ["/other"] }, ["/other"]],
    ["both given", { entrypoint: ["/other"], command: ["x"] }, ["/other", "x"]],
    ["an empty entrypoint means none", { entrypoint: [""], command: ["x"] }, ["x"]],
    ["an empty command", { command: [] }, ["/entry"]],
  ])("make the command: %s", (_, spec, argv) => {
    expect(resolve(spec).workload.argv).toEqual(argv);
  });

  it("merge the environment, the spec's last, with a PATH", () => {
    const { env } = resolve({ env: { B: "spec", C: "a=b" } }).workload;
    expect(env).toEqual(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=image", "B=spec", "C=a=b"]);
    expect(resolve({ env: { PATH: "/x" } }).workload.env).toContain("PATH=/x");
  });

  it("fill every default and round memory up", () => {
    const { spec, stopSignal, workload, isolation } = resolve({ memoryBytes: 100 * MIB + 1 });
    expect(spec).toMatchObject({
      cpus: 1,
      memoryBytes: 101 * MIB,
      network: "none",
      hostname: "0123456789ab",
      stopSignal: "SIGQUIT",
      stopTimeoutMs: 10_000,
    });
    expect({ stopSignal, isolation, cwd: workload.cwd, user: workload.user }).toEqual({
      stopSignal: 3,
      isolation: "microvm",
      cwd: "/srv",
      user: "app",
    });
  });

  it("publish ports over the user network, and say what is shared or unusable", () => {
    const port = { guest: 80, host: 0, address: "127.0.0.1", protocol: "tcp" } as const;
    expect(resolve({ ports: [port, port] }).spec.network).toBe("user");
    const anywhere = ["10.1.2.3", "0.0.0.0", "::", "FD00:0:0::1"].map((address) => ({ ...port, address }));
    expect(resolve({ ports: anywhere, network: "bridge" }).spec).toMatchObject({
      network: "bridge",
      ports: ["10.1.2.3", "0.0.0.0", "::", "fd00::1"].map((address) => ({ ...port, address })),
    });
    expect(resolve({ cpus: 8 }).notes).toHaveLength(1);
    expect(resolve({}, withConfig({ stopSignal: "SIGWHAT" }))).toMatchObject({
      stopSignal: 15,
      notes: [expect.stringContaining("SIGWHAT")],
    });
  });
});

describe("what an image exposes", () => {
  const exposes = withConfig({ exposedPorts: ["80/tcp", "443", "53/udp", "9000-9001/tcp", "80", "7/sctp", "0", "9-8"] });
  const published = (spec: Partial<MachineSpec>, from = exposes) =>
    resolve({ publishExposed: true, ...spec }, from).spec.ports?.map(({ guest, host, protocol }) => `${host}->${guest}/${protocol}`);

  it("is published on free ports when that is asked for, beside what is named and not twice", () => {
    expect(resolve({}, exposes).spec).toMatchObject({ ports: [], network: "none" });
    expect(published({})).toEqual(["0->80/tcp", "0->443/tcp", "0->53/udp", "0->9000/tcp", "0->9001/tcp"]);
    expect(resolve({ publishExposed: true }, exposes)).toMatchObject({
      spec: { network: "user" },
      notes: ["7/sctp", "0", "9-8"].map((word) => expect.stringContaining(word)),
    });
    const named = { guest: 53, host: 5353, address: "127.0.0.2", protocol: "udp" } as const;
    expect(published({ ports: [named] })).toEqual(["5353->53/udp", "0->80/tcp", "0->443/tcp", "0->9000/tcp", "0->9001/tcp"]);
    expect(resolve({ publishExposed: true }).spec).toMatchObject({ ports: [], network: "none" });
  });

  it("is refused when it is more than a machine can publish", () => {
    expect(published({}, withConfig({ exposedPorts: ["1-64"] }))).toHaveLength(64);
    expect(() => published({}, withConfig({ exposedPorts: ["1-64/udp", "1-65535"] }))).toThrow(/publishExposed.*64 ports/);
  });
});

describe("a spec that cannot be had", () => {
  const port = (more: object) => ({ guest: 80, host: 8080, address: "127.0.0.1", protocol: "tcp" as const, ...more });
  it.each<[string, Partial<MachineSpec>, ErrorCode, string]>([
    ["unknown stop signal", { stopSignal: "SIGFOO" }, "INVALID_REQUEST", "stopSignal"],
    ["isolation without an engine", { isolation: "container" }, "ISOLATION_UNAVAILABLE", "container"],
    ["ports without a network", { network: "none", ports: [port({})] }, "INVALID_REQUEST", "network"],
    ["a host port twice", { ports: [port({}), port({ guest: 81 })] }, "INVALID_REQUEST", "ports[1].host"],
    ["an address that is none", { ports: [port({ address: "127.0.0.999" })] }, "INVALID_REQUEST", "ports[0].address"],
    ["an address of the outside", { ports: [port({ address: "0.0.0.0" })] }, "INVALID_REQUEST", "ports[0].address"],
    ["an address of no kind", { network: "bridge", ports: [port({ address: "10.0.0.010" })] }, "INVALID_REQUEST", "ports[0].address"],
    [
      "a host port twice in two spellings",
      { network: "bridge", ports: [port({ address: "fd00::1" }), port({ address: "FD00::0:1" })] },
      "INVALID_REQUEST",
      "ports[1].host",
    ],
    ["a port out of range", { ports: [port({ host: 65_536 })] }, "INVALID_REQUEST", "ports[0].host"],
    ["one tmpfs twice", { tmpfs: [{ path: "/t" }, { path: "/./t/" }] }, "INVALID_REQUEST", "tmpfs[1].path"],
    ["a tmpfs over the root", { tmpfs: [{ path: "/" }] }, "INVALID_REQUEST", "tmpfs[0].path"],
    ["a tmpfs over /proc", { tmpfs: [{ path: "/proc/x" }] }, "INVALID_REQUEST", "tmpfs[0].path"],
    ["a tmpfs that climbs", { tmpfs: [{ path: "/a/../b" }] }, "INVALID_REQUEST", "tmpfs[0].path"],
    ["tmpfs over the memory", { tmpfs: [{ path: "/t", sizeBytes: 200 * MIB }] }, "INVALID_REQUEST", "tmpfs[0].sizeBytes"],
    ["retries without on-failure", { restart: { policy: "always", maxRetries: 1 } }, "INVALID_REQUEST", "restart.maxRetries"],
    ["removal and restart", { autoRemove: true, restart: { policy: "always" } }, "INVALID_REQUEST", "autoRemove"],
    ["rates on a network that has none", { network: "user", resources: { netSendBps: { rate: 1 } } }, "INVALID_REQUEST", "netSendBps"],
    ["a burst below its rate", { resources: { netSendPps: { rate: 10, burst: 9 } } }, "INVALID_REQUEST", "netSendPps.burst"],
    ["a length without a burst", { resources: { netSendPps: { rate: 10, burstMs: 1000 } } }, "INVALID_REQUEST", "netSendPps.burstMs"],
    [
      "a burst over what the kernel counts",
      { resources: { netSendBps: { rate: 1, burst: 4096 * MIB, burstMs: 2000 } } },
      "INVALID_REQUEST",
      "netSendBps.burst",
    ],
    ["too little memory", { memoryBytes: 1 }, "INVALID_REQUEST", "memoryBytes"],
    ["half a CPU", { cpus: 0.5 }, "INVALID_REQUEST", "cpus"],
    ["an empty program", { entrypoint: [], command: [""] }, "INVALID_REQUEST", "command"],
    ["more words than a frame holds", { command: ["x".repeat(48_001)] }, "TOO_LARGE", "command and env"],
    ["words that grow as JSON", { command: ["\u0001".repeat(20_000)] }, "TOO_LARGE", "command and env"],
  ])("is refused, naming the field: %s", (_, spec, code, field) => {
    expect(() => resolve(spec)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(field) }));
  });

  it("is refused when there is no command at all", () => {
    expect(() => resolve({}, withConfig({ entrypoint: [], cmd: [] }))).toThrow(expect.objectContaining({ code: "IMAGE_NO_COMMAND" }));
  });

  it.each(["", "-x", "a b", "ä", "x".repeat(64), "0123456789abcdef", "../x", "a\nb"])("has a bad name: %j", (name) => {
    expect(() => resolveSpec({ image: "i", name }, image, { ...context, name })).toThrow(expect.objectContaining({ code: "INVALID_NAME" }));
  });

  it("never fails with anything but an error of the registry", () => {
    const text = fc.string({ unit: "binary", maxLength: 40 });
    const spec = fc.record(
      {
        command: fc.array(text, { maxLength: 4 }),
        entrypoint: fc.array(text, { maxLength: 3 }),
        env: fc.dictionary(text, text, { maxKeys: 4 }),
        stopSignal: text,
        memoryBytes: fc.double(),
        cpus: fc.double(),
        ttlMs: fc.double(),
        tmpfs: fc.array(fc.record({ path: text, sizeBytes: fc.integer() }), { maxLength: 3 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(spec, text, (given, name) => {
        try {
          resolveSpec({ image: "i", ...given }, image, { ...context, name });
        } catch (error) {
          expect(error).toBeInstanceOf(IsthmusError);
          expect(IsthmusError.from(error).code).not.toBe("INTERNAL");
        }
      }),
      { numRuns: 2000 },
    );
  });
});
