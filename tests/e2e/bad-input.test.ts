import { type IncomingMessage, request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { World } from "../world.ts";

let world: World;
let before: string;
beforeAll(async () => {
  world = await World.start();
  await world.ok(["run", "-d", "--name", "taken", "busybox", "sleep", "100000"]);
  await world.isthmus.machines.create({ image: "busybox", name: "idle", command: ["true"] }, { start: false });
  before = await snapshot();
});
afterAll(async () => await world[Symbol.asyncDispose]());

/** Everything that a bad request must leave as it was. */
async function snapshot(): Promise<string> {
  const images = await world.isthmus.images.list();
  const machines = (await world.machines()).map(({ id, name, state, pid }) => [id, name, state, pid]);
  return JSON.stringify([machines, images.map(({ digest, tags }) => [digest, tags]), world.engines()]);
}

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

function send(method: string, path: string, body?: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: world.socket, method, path: `/v1${path}`, headers, agent: false }, (answer: IncomingMessage) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, ...lastError(Buffer.concat(chunks).toString()) }));
    });
    call.on("error", reject);
    call.end(body);
  });
}

/** The error of a JSON answer or of the last line of a stream. */
function lastError(text: string): Omit<Answer, "status"> {
  const none = { code: "", message: text.slice(0, 200), remedy: "" };
  try {
    const value: { error?: typeof none } = JSON.parse(text.trim().split("\n").at(-1) ?? "");
    return value.error ?? none;
  } catch {
    return none;
  }
}

const json = { "content-type": "application/json" };
const create = (spec: unknown) => send("POST", "/machines?pull=never", typeof spec === "string" ? spec : JSON.stringify(spec), json);
const spec = (over: object) => create({ image: "busybox", command: ["true"], ...over });
const pool = (over: object) => send("POST", "/licences", JSON.stringify({ product: "p", metric: "per-machine", seats: 1, ...over }), json);
const long = (length: number) => "x".repeat(length);
const many = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);

const cases: readonly (readonly [name: string, call: () => Promise<Answer>, code: string])[] = [
  ["no body", () => create(""), "INVALID_JSON"],
  ["half a body", () => create('{"image":'), "INVALID_JSON"],
  ["a body of garbage", () => create("\u0000\u0001"), "INVALID_JSON"],
  ["an array", () => create([]), "INVALID_REQUEST"],
  ["null", () => create("null"), "INVALID_REQUEST"],
  ["no image", () => create({}), "INVALID_REQUEST"],
  ["an empty image", () => spec({ image: "" }), "INVALID_REQUEST"],
  ["an image that is a number", () => spec({ image: 3 }), "INVALID_REQUEST"],
  ["an image that is not there", () => spec({ image: "nothing" }), "IMAGE_NOT_FOUND"],
  ["an image with a path out", () => spec({ image: "../../etc/passwd" }), "INVALID_IMAGE_REF"],
  ["an image with a digest path out", () => spec({ image: "sha256:../../x" }), "INVALID_IMAGE_REF"],
  ["an image reference that is too long", () => spec({ image: long(300) }), "INVALID_REQUEST"],
  ["an unknown field", () => spec({ colour: "red" }), "UNKNOWN_FIELD"],
  ["an unknown field within", () => spec({ restart: { policy: "no", colour: 1 } }), "UNKNOWN_FIELD"],
  ["a name that is taken", () => spec({ name: "taken" }), "NAME_TAKEN"],
  ["a name with a slash", () => spec({ name: "a/b" }), "INVALID_NAME"],
  ["a name that begins with a dash", () => spec({ name: "-rf" }), "INVALID_NAME"],
  ["an empty name", () => spec({ name: "" }), "INVALID_NAME"],
  ["a name that is too long", () => spec({ name: long(64) }), "INVALID_NAME"],
  ["a name with a line break", () => spec({ name: "a\nb" }), "INVALID_NAME"],
  ["no cpus", () => spec({ cpus: 0 }), "INVALID_REQUEST"],
  ["half a cpu", () => spec({ cpus: 0.5 }), "INVALID_REQUEST"],
  ["too many cpus", () => spec({ cpus: 1000 }), "INVALID_REQUEST"],
  ["cpus as text", () => spec({ cpus: "2" }), "INVALID_REQUEST"],
  ["too little memory", () => spec({ memoryBytes: 1024 }), "INVALID_REQUEST"],
  ["less memory than the kernel boots with", () => spec({ memoryBytes: 64 * 2 ** 20 }), "INVALID_REQUEST"],
  ["more memory than there is", () => spec({ memoryBytes: 900 * 2 ** 30 }), "NEVER_FITS"],
  ["negative memory", () => spec({ memoryBytes: -1 }), "INVALID_REQUEST"],
  ["a disk that is too small", () => spec({ diskBytes: 1 }), "INVALID_REQUEST"],
  ["a disk that is too large", () => spec({ diskBytes: 2 ** 52 }), "INVALID_REQUEST"],
  ["a command that is text", () => spec({ command: "ls" }), "INVALID_REQUEST"],
  ["a command with NUL", () => spec({ command: ["a\u0000b"] }), "INVALID_REQUEST"],
  ["too many words", () => spec({ command: many(300) }), "INVALID_REQUEST"],
  ["a command that is too long", () => spec({ command: [long(47_000), long(47_000)] }), "TOO_LARGE"],
  ["an env name with =", () => spec({ env: { "A=B": "c" } }), "UNKNOWN_FIELD"],
  ["an empty env name", () => spec({ env: { "": "c" } }), "UNKNOWN_FIELD"],
  ["an env value with NUL", () => spec({ env: { A: "\u0000" } }), "INVALID_REQUEST"],
  ["an env value that is a number", () => spec({ env: { A: 1 } }), "INVALID_REQUEST"],
  ["a relative folder", () => spec({ workdir: "tmp" }), "INVALID_REQUEST"],
  ["a user with a space", () => spec({ user: "a b" }), "INVALID_REQUEST"],
  ["a user that the image lacks", () => spec({ user: "captain" }), "AGENT_REFUSED"],
  ["a hostname with an underscore", () => spec({ hostname: "a_b" }), "INVALID_REQUEST"],
  ["a hostname that ends with a dash", () => spec({ hostname: "a-" }), "INVALID_REQUEST"],
  ["a tmpfs on the root", () => spec({ tmpfs: [{ path: "/" }] }), "INVALID_REQUEST"],
  ["a tmpfs on /proc", () => spec({ tmpfs: [{ path: "/proc/x" }] }), "INVALID_REQUEST"],
  ["a tmpfs with a way out", () => spec({ tmpfs: [{ path: "/a/../.." }] }), "INVALID_REQUEST"],
  ["a tmpfs larger than memory", () => spec({ tmpfs: [{ path: "/a", sizeBytes: 2 ** 31 }] }), "INVALID_REQUEST"],
  ["the same tmpfs twice", () => spec({ tmpfs: [{ path: "/a" }, { path: "/a/" }] }), "INVALID_REQUEST"],
  ["port 0 in the guest", () => spec({ ports: [{ guest: 0 }] }), "INVALID_REQUEST"],
  ["port 65536", () => spec({ ports: [{ guest: 65_536 }] }), "INVALID_REQUEST"],
  ["a port on all addresses", () => spec({ ports: [{ guest: 80, address: "0.0.0.0" }] }), "INVALID_REQUEST"],
  [
    "the same host port twice",
    () =>
      spec({
        ports: [
          { guest: 80, host: 18_080 },
          { guest: 81, host: 18_080 },
        ],
      }),
    "INVALID_REQUEST",
  ],
  ["ports without a network", () => spec({ network: "none", ports: [{ guest: 80 }] }), "INVALID_REQUEST"],
  ["an unknown kind of network", () => spec({ network: "token-ring" }), "INVALID_REQUEST"],
  ["a signal that there is not", () => spec({ stopSignal: "SIGFOO" }), "INVALID_REQUEST"],
  ["a negative stop timeout", () => spec({ stopTimeoutMs: -1 }), "INVALID_REQUEST"],
  ["an unknown restart policy", () => spec({ restart: { policy: "sometimes" } }), "INVALID_REQUEST"],
  ["retries without on-failure", () => spec({ restart: { policy: "always", maxRetries: 3 } }), "INVALID_REQUEST"],
  ["auto-remove and restart", () => spec({ autoRemove: true, restart: { policy: "always" } }), "INVALID_REQUEST"],
  ["isolation without an engine", () => spec({ isolation: "container" }), "ISOLATION_UNAVAILABLE"],
  ["an unknown isolation", () => spec({ isolation: "jail" }), "INVALID_REQUEST"],
  ["a label key that is too long", () => spec({ labels: { [long(200)]: "v" } }), "UNKNOWN_FIELD"],
  ["a prototype as a field", () => create('{"image":"busybox","__proto__":{"x":1}}'), "INVALID_JSON"],
  ["a body over the limit", () => send("POST", "/machines", "{", { ...json, "content-length": `${2 ** 21}` }), "TOO_LARGE"],
  ["text that is no JSON type", () => send("POST", "/machines", "x", { "content-type": "text/plain" }), "UNSUPPORTED_MEDIA_TYPE"],
  [
    "an idempotency key that is too long",
    () => send("POST", "/machines", '{"image":"busybox"}', { ...json, "idempotency-key": long(200) }),
    "INVALID_REQUEST",
  ],
  ["a machine that is not there", () => send("GET", "/machines/none"), "MACHINE_NOT_FOUND"],
  ["a machine named by a path", () => send("GET", "/machines/..%2f..%2fetc"), "MACHINE_NOT_FOUND"],
  ["to start what runs", () => send("POST", "/machines/taken/start"), "STATE_CONFLICT"],
  ["to remove what runs", () => send("DELETE", "/machines/taken"), "STATE_CONFLICT"],
  ["to unpause what is not paused", () => send("POST", "/machines/taken/unpause"), "STATE_CONFLICT"],
  ["a signal that there is not, to kill", () => send("POST", "/machines/taken/kill?signal=FOO"), "INVALID_REQUEST"],
  ["a page of no machines", () => send("GET", "/machines?limit=0"), "INVALID_REQUEST"],
  ["a cursor of our own making", () => send("GET", "/machines?cursor=zzz"), "INVALID_REQUEST"],
  ["an unknown state", () => send("GET", "/machines?state=happy"), "INVALID_REQUEST"],
  ["an unknown query", () => send("GET", "/machines?colour=red"), "UNKNOWN_FIELD"],
  ["logs since nonsense", () => send("GET", "/machines/taken/logs?since=later"), "INVALID_REQUEST"],
  ["files of a path that is relative", () => send("GET", "/machines/taken/archive?path=etc"), "INVALID_REQUEST"],
  ["files that are not there", () => send("GET", "/machines/taken/archive?path=/none"), "PATH_NOT_FOUND"],
  ["files of what does not run", () => send("GET", "/machines/idle/archive?path=/etc"), "STATE_CONFLICT"],
  [
    "an archive that is none",
    () => send("PUT", "/machines/taken/archive?path=/tmp", Buffer.alloc(2048, 7), { "content-type": "application/x-tar" }),
    "BAD_ARCHIVE",
  ],
  [
    "an import that is no archive",
    () => send("POST", "/images/import?ref=junk", Buffer.alloc(2048, 7), { "content-type": "application/x-tar" }),
    "BAD_IMAGE",
  ],
  [
    "an import under a bad name",
    () => send("POST", "/images/import?ref=BAD%20NAME", Buffer.alloc(1024), { "content-type": "application/x-tar" }),
    "INVALID_IMAGE_REF",
  ],
  ["a load of garbage", () => send("POST", "/images/load", Buffer.alloc(4096, 1), { "content-type": "application/x-tar" }), "BAD_IMAGE"],
  ["to remove an image in use", () => send("DELETE", "/images?ref=busybox"), "IMAGE_IN_USE"],
  ["to tag what is not there", () => send("POST", "/images/tag", '{"source":"none","target":"x"}', json), "IMAGE_NOT_FOUND"],
  ["a licence for what is no name", () => spec({ licences: ["a b"] }), "INVALID_REQUEST"],
  ["too many licences", () => spec({ licences: many(17) }), "INVALID_REQUEST"],
  ["a label of licences that is none", () => spec({ labels: { "org.isthmus.licences": "a;b" } }), "INVALID_REQUEST"],
  ["a pool of fewer than no seats", () => pool({ seats: -1 }), "INVALID_REQUEST"],
  ["a pool of an unknown metric", () => pool({ metric: "per-moon" }), "INVALID_REQUEST"],
  [
    "a pool that ends before it begins",
    () => pool({ validFrom: "2026-02-01T00:00:00Z", validTo: "2026-01-01T00:00:00Z" }),
    "INVALID_REQUEST",
  ],
  ["a pool that is valid to the 40th", () => pool({ validTo: "2026-01-40T00:00:00Z" }), "INVALID_REQUEST"],
  ["grace of a hard limit", () => pool({ graceMs: 1000 }), "INVALID_REQUEST"],
  ["a pool under a word of the API", () => pool({ name: "report" }), "INVALID_NAME"],
  ["a pool that is not there", () => send("GET", "/licences/none"), "LICENCE_POOL_NOT_FOUND"],
  ["a report that ends before it begins", () => send("GET", "/licences/report?since=1h&until=2h"), "INVALID_REQUEST"],
  ["a path that is not part of the API", () => send("GET", "/nothing"), "ROUTE_NOT_FOUND"],
  ["a method that a path does not take", () => send("PATCH", "/machines"), "METHOD_NOT_ALLOWED"],
];

describe("bad input", () => {
  it("is known in at least 60 kinds", () => {
    expect(cases.length).toBeGreaterThanOrEqual(60);
  });

  it.each(cases)("%s is refused with its code, and a remedy", async (_name, call, code) => {
    const answer = await call();
    expect(answer).toMatchObject({ code });
    expect(answer.remedy.length).toBeGreaterThan(5);
    expect(`${answer.message}${answer.remedy}`).not.toMatch(/\{\w+\}/);
  });

  it("leaves nothing behind", async () => {
    const failed = (await world.machines()).filter(({ state }) => state === "failed" || state === "refused");
    for (const { id } of failed) await world.isthmus.machines.remove(id, { force: true });
    expect(await snapshot()).toBe(before);
  });
});

describe("bad words on the command line", () => {
  it.each([
    [["run"], 125],
    [["run", "--cpus", "many", "busybox"], 125],
    [["run", "--memory", "1x", "busybox"], 125],
    [["run", "-p", "abc", "busybox"], 125],
    [["run", "--restart", "maybe", "busybox"], 125],
    [["run", "--no-such-flag", "busybox"], 125],
    [["run", "nothing"], 125],
    [["inspect", "nothing"], 1],
    [["cp", "a", "b"], 2],
    [["logs", "--since", "later", "taken"], 2],
    [["license", "add", "p"], 2],
    [["license", "rm", "none"], 1],
    [["frobnicate"], 2],
  ])("%j ends with %i and says what to do", async (args, code) => {
    const result = await world.cli(args);
    expect([result.code, result.text.replace("[]", "")]).toEqual([code, ""]);
    expect(result.stderr).toMatch(/isthmus/);
  });
});
