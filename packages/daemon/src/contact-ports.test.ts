import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { PublishedPort } from "@isthmus/contract";
import { afterEach, expect, it } from "vitest";
import { createContactPorts } from "./contact-ports.ts";

const agentPath = fileURLToPath(new URL("../../../guest/agent/build/isthmus-agent", import.meta.url));
const contacts = createContactPorts({ agentPath });
/** Stands for the machine: says who it is to whoever connects. */
const SERVES = `
const servers = process.argv.slice(1).map((address) => require("node:net").createServer((socket) => socket.on("error", () => {}).end("machine")).listen(0, address));
let left = servers.length;
for (const server of servers) server.on("listening", () => --left || console.log(JSON.stringify(servers.map((one) => one.address().port))));`;

const ends: (() => unknown)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function serving(...addresses: string[]) {
  const child = spawn(process.execPath, ["-e", SERVES, "--", ...addresses], { stdio: ["ignore", "pipe", "inherit"] });
  ends.push(() => child.kill("SIGKILL"));
  const numbers: number[] = JSON.parse(String((await once(child.stdout, "data"))[0]));
  const ports = addresses.map((address, index): PublishedPort => ({ address, host: numbers[index] ?? 0, guest: 80, protocol: "tcp" }));
  return { child, ports, pid: child.pid ?? 0 };
}

/** The connection, or why there is none. */
function connected({ address, host }: PublishedPort): Promise<Socket | string> {
  const socket = connect(host, address);
  ends.push(() => socket.destroy());
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(socket));
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(String(error.code)));
  });
}

it("goes on for a process that ends, and at no moment nobody listens", async () => {
  const { child, ports, pid } = await serving("127.0.0.1", "127.0.0.1", "::1");
  const refused: string[] = [];
  let over = false;
  let count = 0;
  const caller = (async () => {
    for (; !over; count += 1) {
      const outcome = await connected(ports[count % ports.length] as PublishedPort);
      if (typeof outcome === "string") refused.push(outcome);
    }
  })();
  const watch = await contacts.take(ports, pid);
  ends.push(() => watch.close());
  child.kill("SIGKILL");
  await once(child, "exit");
  const before = count;
  while (count < before + 30) await new Promise(setImmediate);
  over = true;
  await caller;
  expect(refused).toEqual([]);
  const contacted = await new Promise<string>((resolve) => watch.arm(() => resolve("contacted")));
  await watch.free();
  expect([contacted, await connected(ports[0] as PublishedPort)]).toEqual(["contacted", "ECONNREFUSED"]);
});

it("leaves the ports to a process that goes on after all, which gets what came meanwhile", async () => {
  const { child, ports, pid } = await serving("127.0.0.1");
  const [port] = ports as [PublishedPort];
  const watch = await contacts.take(ports, pid);
  let contacted = false;
  watch.arm(() => (contacted = true));
  // While it is stopped nobody else takes them.
  child.kill("SIGSTOP");
  const socket = await connected(port);
  while (!contacted) await new Promise(setImmediate);
  child.kill("SIGCONT");
  await watch.free();
  watch.pass();
  expect(String((await once(socket as Socket, "data"))[0])).toBe("machine");
  expect(typeof (await connected(port))).toBe("object");
});

it("takes all of the ports or none, and says which are not the process's", async () => {
  const { ports, pid } = await serving("127.0.0.1");
  const strange = { ...ports[0], address: "127.0.0.2" } as PublishedPort;
  await expect(contacts.take([...ports, strange], pid)).rejects.toMatchObject({
    code: "HOST_COMMAND_FAILED",
    message: expect.stringContaining(`process ${pid} does not listen on 127.0.0.2 ${strange.host}`),
  });
  await expect(createContactPorts({ agentPath: "/nowhere/agent" }).take(ports, pid)).rejects.toMatchObject({ code: "HOST_COMMAND_FAILED" });
  expect(typeof (await connected(ports[0] as PublishedPort))).toBe("object");
});
