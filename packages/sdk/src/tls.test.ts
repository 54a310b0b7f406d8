import { Readable } from "node:stream";
import { createHttpDoor } from "@isthmus/door-http";
import { fakeDeps, testTls } from "@isthmus/door-http/testing";
import { describe, expect, it } from "vitest";
import { Isthmus } from "./mod.ts";

const TOKEN = "a-token-of-some-length";

async function setUp() {
  const deps = fakeDeps();
  const door = await createHttpDoor(deps);
  const { tcpPort } = await door.listen({ tcp: { host: "127.0.0.1", port: 0, tls: testTls, token: TOKEN } });
  return { deps, url: `https://127.0.0.1:${tcpPort}`, [Symbol.asyncDispose]: () => door.close() };
}

describe("a daemon on TCP", () => {
  it("serves requests, streams and sessions over TLS", async () => {
    await using t = await setUp();
    using isthmus = new Isthmus({ url: t.url, token: TOKEN, ca: testTls.cert });
    await using machine = await isthmus.machines.run({ image: "busybox" });
    expect(await machine.execText(["sh", "-c", "echo over TLS"])).toEqual({ code: 0, stdout: "over TLS\n", stderr: "" });
    await machine.putArchive("/data", Readable.from([Buffer.alloc(200_000)]));
    t.deps.machines.print(machine.id, "stdout", "line");
    for await (const line of machine.logs()) expect(line.text).toBe("line");
  });

  it("refuses another token on requests and sessions alike", async () => {
    await using t = await setUp();
    using isthmus = new Isthmus({ url: t.url, token: `${TOKEN}x`, ca: testTls.cert });
    await expect(isthmus.version()).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    await expect(isthmus.machines.handle("m").exec(["true"])).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  });

  it("is not talked to when its certificate is not trusted", async () => {
    await using t = await setUp();
    using isthmus = new Isthmus({ url: t.url, token: TOKEN });
    await expect(isthmus.version()).rejects.toMatchObject({ code: "DAEMON_UNREACHABLE" });
    await expect(isthmus.machines.handle("m").exec(["true"])).rejects.toMatchObject({ code: "DAEMON_UNREACHABLE" });
  });
});
