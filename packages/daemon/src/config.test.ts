import { describe, expect, it } from "vitest";
import { readConfig } from "./config.ts";

const tcp = { ISTHMUS_TCP_ADDRESS: "[::1]:7443", ISTHMUS_TLS_CERT: "/c", ISTHMUS_TLS_KEY: "/k", ISTHMUS_TOKEN_FILE: "/t" };

describe("the daemon's settings", () => {
  it("follow the user when nothing is said", () => {
    expect(readConfig({}, 0, "/p")).toMatchObject({ home: "/var/lib/isthmus", socketPath: "/run/isthmus/isthmus.sock", logLevel: "info" });
    expect(readConfig({ HOME: "/h" }, 7, "/p")).toMatchObject({
      home: "/h/.local/share/isthmus",
      socketPath: "/run/user/7/isthmus/isthmus.sock",
    });
    expect(readConfig({ XDG_DATA_HOME: "/d", XDG_RUNTIME_DIR: "/r" }, 7, "/p")).toMatchObject({
      home: "/d/isthmus",
      runFolder: "/r/isthmus",
    });
  });

  it("promise no more memory than there is, unless told", () => {
    expect(readConfig({}, 0, "/p").admission).toEqual({});
    expect(readConfig({ ISTHMUS_MEMORY_OVERCOMMIT: "2.5" }, 0, "/p").admission).toEqual({ memoryOvercommit: 2.5 });
  });

  it("say when an idle guest's code is given back", () => {
    const read = (value: string) => readConfig({ ISTHMUS_IDLE_CODE: value }, 0, "/p").idleCodeMs;
    expect(["", "keep", "2m"].map(read)).toEqual([undefined, "keep", 120_000]);
    for (const value of ["500ms", "never"]) {
      const details = { field: "ISTHMUS_IDLE_CODE", value, reason: expect.stringContaining("1000 ms at least") };
      expect(() => read(value)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID", details }));
    }
  });

  it("say who may give paths of the host", () => {
    expect(readConfig({}, 0, "/p").hostPaths).toBe("owner");
    expect(readConfig({ ISTHMUS_HOST_PATHS: "off" }, 0, "/p").hostPaths).toBe("off");
    expect(readConfig({ ISTHMUS_HOST_PATHS: "/a:/b c" }, 0, "/p").hostPaths).toEqual(["/a", "/b c"]);
    expect(() => readConfig({ ISTHMUS_HOST_PATHS: "/a:b" }, 0, "/p")).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });

  it("set limits of admission", () => {
    const env = {
      ISTHMUS_MACHINES_MAX: "40",
      ISTHMUS_MICROVMS_MAX: "32",
      ISTHMUS_MACHINES_PER_TENANT: "10",
      ISTHMUS_MACHINES_PER_IMAGE: "20",
      ISTHMUS_CPU_OVERCOMMIT: "4",
      ISTHMUS_DISK_OVERCOMMIT: "2",
      ISTHMUS_PORTS_MAX: "0",
      ISTHMUS_QUEUE_LENGTH: "100",
      ISTHMUS_QUEUE_AGE: "10m",
      ISTHMUS_MAX_WAIT: "30s",
      ISTHMUS_LIMITER: "static",
      ISTHMUS_STARTS_IN_FLIGHT: "3",
      ISTHMUS_STARTS_IN_FLIGHT_MAX: "6",
      ISTHMUS_START_RATE: "0",
      ISTHMUS_START_BURST: "5",
    };
    expect(readConfig(env, 0, "/p").admission).toEqual({
      machines: 40,
      machinesPerIsolation: { microvm: 32 },
      machinesPerTenant: 10,
      machinesPerImage: 20,
      cpuOvercommit: 4,
      diskOvercommit: 2,
      ports: 0,
      queueLength: 100,
      queueAgeMs: 600_000,
      maxWaitMs: 30_000,
      limiter: "static",
      startsInFlight: 3,
      startsInFlightMax: 6,
      ratePerSecond: 0,
      rateBurst: 5,
    });
  });

  it("serve TCP with certificate, key and token", () => {
    const read = { host: "::1", port: 7443, certPath: "/c", keyPath: "/k", tokenPath: "/t" };
    expect(readConfig(tcp, 0, "/p").tcp).toEqual(read);
    expect(readConfig({ ...tcp, ISTHMUS_TLS_CLIENT_CA_FILE: "/a" }, 0, "/p").tcp).toEqual({ ...read, clientCaPath: "/a" });
  });

  it.each<[string, Record<string, string>]>([
    ["ISTHMUS_HOME", { ISTHMUS_HOME: "relative" }],
    ["ISTHMUS_SOCKET", { ISTHMUS_SOCKET: "a.sock" }],
    ["ISTHMUS_LOG_LEVEL", { ISTHMUS_LOG_LEVEL: "loud" }],
    ["ISTHMUS_MEMORY_OVERCOMMIT", { ISTHMUS_MEMORY_OVERCOMMIT: "0.5" }],
    ["ISTHMUS_MEMORY_OVERCOMMIT", { ISTHMUS_MEMORY_OVERCOMMIT: "33" }],
    ["ISTHMUS_MEMORY_OVERCOMMIT", { ISTHMUS_MEMORY_OVERCOMMIT: "1e1" }],
    ["ISTHMUS_MACHINES_MAX", { ISTHMUS_MACHINES_MAX: "0" }],
    ["ISTHMUS_CPU_OVERCOMMIT", { ISTHMUS_CPU_OVERCOMMIT: "0.9" }],
    ["ISTHMUS_QUEUE_AGE", { ISTHMUS_QUEUE_AGE: "soon" }],
    ["ISTHMUS_LIMITER", { ISTHMUS_LIMITER: "clever" }],
    ["ISTHMUS_START_RATE", { ISTHMUS_START_RATE: "-1" }],
    ["ISTHMUS_TCP_ADDRESS", { ...tcp, ISTHMUS_TCP_ADDRESS: "localhost" }],
    ["ISTHMUS_TCP_ADDRESS", { ...tcp, ISTHMUS_TCP_ADDRESS: "localhost:70000" }],
    ["ISTHMUS_TLS_CERT", { ...tcp, ISTHMUS_TLS_CERT: "" }],
    ["ISTHMUS_TLS_KEY", { ...tcp, ISTHMUS_TLS_KEY: "" }],
    ["ISTHMUS_TLS_CLIENT_CA_FILE", { ...tcp, ISTHMUS_TLS_CLIENT_CA_FILE: "ca.pem" }],
    ["ISTHMUS_TOKEN_FILE", { ...tcp, ISTHMUS_TOKEN_FILE: "token" }],
  ])("are refused, naming %s", (field, env) => {
    expect(() => readConfig(env, 0, "/p")).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining(field) }),
    );
  });
});
