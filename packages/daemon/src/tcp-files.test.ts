import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHttpDoor } from "@isthmus/door-http";
import { fakeDeps, TestAuthority, testTls } from "@isthmus/door-http/testing";
import { pino } from "pino";
import { afterAll, describe, expect, it } from "vitest";
import { readTcpFiles, watchTls } from "./tcp-files.ts";

const TOKEN = "a-token-of-some-length";
const folder = mkdtempSync(join(tmpdir(), "isthmus-tcp-files-"));
const file = (name: string) => join(folder, name);
const authority = new TestAuthority("authority");
const other = new TestAuthority("other");
const [right, wrong] = [authority.issue("right"), other.issue("wrong")];
const tcp = {
  host: "127.0.0.1",
  port: 0,
  certPath: file("cert"),
  keyPath: file("key"),
  clientCaPath: file("client-ca"),
  tokenPath: file("token"),
};

/** As those do that renew certificates. */
function put(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

put(tcp.certPath, testTls.cert);
put(tcp.keyPath, testTls.key);
put(tcp.clientCaPath, authority.cert);
put(tcp.tokenPath, `${TOKEN}\n`);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  authority[Symbol.dispose]();
  other[Symbol.dispose]();
});

function letIn(port: number | undefined, pair: https.RequestOptions): Promise<boolean> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  return new Promise((resolve) => {
    https
      .get({ host: "127.0.0.1", port, path: "/v1/health", ca: testTls.cert, headers, agent: false, ...pair }, (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      })
      .once("error", () => resolve(false));
  });
}

describe("the authority of clients", () => {
  it("is taken up when its file changes; a file that does not do leaves what is in force, with a line in the log", async () => {
    const lines: { readonly msg: string; readonly clientAuthorities: string; readonly err?: { readonly message: string } }[] = [];
    const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const door = await createHttpDoor(fakeDeps());
    const { tcpPort } = await door.listen({ tcp: readTcpFiles(tcp) });
    const watch = watchTls(tcp, door, log);
    const who = async () => [await letIn(tcpPort, right), await letIn(tcpPort, wrong), await letIn(tcpPort, {})];
    watch.look(false);
    expect(lines).toEqual([]);
    expect(await who()).toEqual([true, false, false]);
    put(tcp.clientCaPath, authority.cert + other.cert);
    watch.look(false);
    expect(await who()).toEqual([true, true, false]);
    put(tcp.clientCaPath, "");
    watch.look(false);
    expect(await who()).toEqual([true, true, false]);
    rmSync(tcp.clientCaPath);
    watch.look(true);
    expect(await who()).toEqual([true, true, false]);
    put(tcp.clientCaPath, other.cert);
    watch.look(false);
    expect(await who()).toEqual([false, true, false]);
    expect(lines.map(({ msg }) => msg)).toEqual([
      "took up the files of TLS anew",
      "the new files of TLS do not do; what is in force stays",
      "the new files of TLS do not do; what is in force stays",
      "took up the files of TLS anew",
    ]);
    for (const at of [1, 2]) expect(lines[at]?.err?.message).toContain("ISTHMUS_TLS_CLIENT_CA_FILE");
    watch.stop();
    await door.close();
  });

  it.each([
    ["is not there", undefined, "ENOENT"],
    ["is empty", "", "no certificate in PEM form"],
    ["holds a client's certificate", right.cert, "is not an authority's"],
  ])("is refused at the start when its file %s", (_name, text, reason) => {
    const clientCaPath = file("refused");
    rmSync(clientCaPath, { force: true });
    if (text !== undefined) put(clientCaPath, text);
    expect(() => readTcpFiles({ ...tcp, clientCaPath })).toThrow(
      expect.objectContaining({
        code: "CONFIG_INVALID",
        details: expect.objectContaining({
          field: "ISTHMUS_TLS_CLIENT_CA_FILE",
          value: clientCaPath,
          reason: expect.stringContaining(reason),
        }),
      }),
    );
  });
});
