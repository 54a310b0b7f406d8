import http from "node:http";
import { describe, expect, it } from "vitest";
import { openDoor } from "../testing/fakes.ts";

interface Reply {
  readonly status: number;
  readonly lines: readonly { readonly error?: { readonly code: string }; readonly [field: string]: unknown }[];
}

function post(socketPath: string, path: string, body: unknown): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const call = http.request({ socketPath, method: "POST", path: `/v1${path}`, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => {
        const text = Buffer.concat(chunks).toString().trim();
        resolve({ status: answer.statusCode ?? 0, lines: text.split("\n").map((line) => JSON.parse(line)) });
      });
    });
    call.once("error", reject);
    call.end(JSON.stringify(body));
  });
}

describe("POST /v1/images/pull", () => {
  it("tells progress of each layer, then the image, without paths of the host", async () => {
    await using t = await openDoor();
    const { status, lines } = await post(t.socketPath, "/images/pull", { ref: "app:v1" });
    expect(status).toBe(200);
    expect(lines).toEqual([
      { step: "download", item: "0123456789ab", doneBytes: 1, totalBytes: 1 },
      { image: expect.objectContaining({ tags: ["app:v1"] }) },
    ]);
    expect(JSON.stringify(lines)).not.toContain("/hidden/");
  });

  it("hands the account on, in each of its forms, and says what the registry said", async () => {
    await using t = await openDoor();
    expect((await post(t.socketPath, "/images/pull", { ref: "refused.example/a" })).lines.at(-1)?.error?.code).toBe("REGISTRY_DENIED");
    for (const auth of [{ username: "u", password: "" }, { identityToken: "i" }, { registryToken: "r" }])
      expect((await post(t.socketPath, "/images/pull", { ref: "refused.example/a", auth })).lines.at(-1)).toHaveProperty("image");
  });

  it.each([
    [{}, "INVALID_REQUEST"],
    [{ ref: "a", other: 1 }, "UNKNOWN_FIELD"],
    [{ ref: "a", auth: { username: "u" } }, "INVALID_REQUEST"],
    [{ ref: "a", auth: { username: "u", password: "secret", more: 1 } }, "UNKNOWN_FIELD"],
    [{ ref: "a", auth: { username: "", password: "secret" } }, "INVALID_REQUEST"],
    [{ ref: "a", auth: "secret" }, "INVALID_REQUEST"],
    [{ ref: "a", auth: { identityToken: ["secret"] } }, "INVALID_REQUEST"],
  ])("refuses %j", async (body, code) => {
    await using t = await openDoor();
    const { lines } = await post(t.socketPath, "/images/pull", body);
    expect([lines[0]?.error?.code, JSON.stringify(lines).includes("secret")]).toEqual([code, false]);
  });
});

describe("push, save, history and prune", () => {
  function get(socketPath: string, path: string): Promise<{ readonly status: number; readonly type: string; readonly text: string }> {
    return new Promise((resolve, reject) => {
      const call = http.get({ socketPath, path: `/v1${path}`, agent: false }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("end", () =>
          resolve({ status: answer.statusCode ?? 0, type: answer.headers["content-type"] ?? "", text: Buffer.concat(chunks).toString() }),
        );
      });
      call.once("error", reject);
    });
  }

  it("answer with what the store says", async () => {
    await using t = await openDoor();
    await t.deps.images.pull("app:v1");
    const digest = `sha256:${"a".repeat(64)}`;
    const { lines } = await post(t.socketPath, "/images/push", { ref: "app:v1" });
    expect(lines).toEqual([{ step: "pushed", item: "0123456789ab" }, { pushed: { digest } }]);
    expect(await get(t.socketPath, "/images/save?ref=app:v1&ref=app:v1")).toEqual({
      status: 200,
      type: "application/x-tar",
      text: "app:v1 app:v1",
    });
    expect((await get(t.socketPath, "/images/save?ref=other")).status).toBe(404);
    expect((await get(t.socketPath, "/images/save")).status).toBe(400);
    expect(JSON.parse((await get(t.socketPath, "/images/history?ref=app:v1")).text)).toEqual({
      history: [{ createdBy: "RUN true", comment: "", sizeBytes: 0 }],
    });
    const prune = (query: string): Promise<Reply> => post(t.socketPath, `/images/prune${query}`, {});
    expect((await prune("")).lines[0]).toEqual({ deleted: [], freedBytes: 0 });
    expect((await prune("?all=true")).lines[0]).toMatchObject({ deleted: [{ digest, tags: ["app:v1"] }], freedBytes: 1 });
  });
});

describe("POST /v1/machines?pull", () => {
  it.each([
    ["", "missing"],
    ["?pull=always", "always"],
    ["?pull=never", "never"],
  ])("%s means %s", async (query, pull) => {
    await using t = await openDoor();
    await post(t.socketPath, `/machines${query}`, { image: "busybox" });
    expect(t.deps.machines.createOptions.at(-1)?.pull).toBe(pull);
  });

  it("takes no other word", async () => {
    await using t = await openDoor();
    expect((await post(t.socketPath, "/machines?pull=sometimes", { image: "busybox" })).status).toBe(400);
  });
});
