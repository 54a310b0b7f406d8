import { once } from "node:events";
import { connect, createServer } from "node:net";
import { isDeepStrictEqual } from "node:util";
import type { PublishedPort } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { choosePorts, connectionsTo, portTakenIn } from "./host-ports.ts";

const free: PublishedPort = { guest: 80, host: 0, address: "127.0.0.1", protocol: "tcp" };

describe("choosing ports", () => {
  it("takes a different free port for each 0, in the order asked, and lets all of them go", async () => {
    const asked: readonly PublishedPort[] = [free, { ...free, guest: 53, protocol: "udp" }, { ...free, guest: 81 }];
    const ports = await choosePorts(asked);
    expect(ports.map(({ guest, protocol }) => [guest, protocol])).toEqual([
      [80, "tcp"],
      [53, "udp"],
      [81, "tcp"],
    ]);
    expect(ports.every(({ host }) => host > 0)).toBe(true);
    expect(ports[0]?.host).not.toBe(ports[2]?.host);
    // Another process may take one meanwhile.
    const lets = async () => {
      const some = await choosePorts(asked);
      return isDeepStrictEqual(await choosePorts(some), some);
    };
    await expect.poll(lets).toBe(true);
  });

  it("refuses a port that somebody listens on", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const host = typeof address === "object" && address !== null ? address.port : 0;
    await expect(choosePorts([free, { ...free, host }])).rejects.toMatchObject({ code: "PORT_TAKEN", details: { port: host } });
    await new Promise((resolve) => server.close(resolve));
  });

  it("counts the connections that are open to a port", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port: PublishedPort = { ...free, host: typeof address === "object" && address !== null ? address.port : 0 };
    expect(await connectionsTo([port])).toBe(0);
    const client = connect(port.host, "127.0.0.1");
    await once(client, "connect");
    expect(await connectionsTo([port])).toBe(1);
    expect(await connectionsTo([{ ...port, address: "127.0.0.2" }])).toBe(0);
    client.destroy();
    await new Promise((resolve) => server.close(resolve));
    expect(await connectionsTo([port])).toBe(0);
  });

  it("refuses the same port twice", async () => {
    const [port] = await choosePorts([free]);
    if (port !== undefined) await expect(choosePorts([port, port])).rejects.toMatchObject({ code: "PORT_TAKEN" });
  });

  it("reads QEMU's own complaint", () => {
    const words = "-netdev user,id=net,…: Could not set up host forwarding rule 'tcp:127.0.0.1:8080-10.0.2.15:80'";
    expect(portTakenIn(words)).toMatchObject({ code: "PORT_TAKEN", details: { port: 8080, address: "127.0.0.1" } });
    expect(portTakenIn("something else")).toBeUndefined();
  });
});
