import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isErrorCode } from "@isthmus/contract";
import type { RouteOptions } from "fastify";
import type { TSchema } from "typebox";
import { Check } from "typebox/value";
import { describe, expect, it } from "vitest";
import { buildApp } from "./app.ts";
import type { App } from "./deps.ts";
import { type FakeMachines, fakeDeps } from "./testing/fakes.ts";
import { Random } from "./testing/random.ts";
import { bodyText, fitting, mutated, queryText } from "./testing/requests.ts";

const REQUESTS = Number(process.env.ISTHMUS_FUZZ_REQUESTS ?? 45_000);
const SEED = Number(process.env.ISTHMUS_FUZZ_SEED ?? Date.now() % 1_000_000);
/** Nothing here has a reason to wait. */
const ANSWER_TIMEOUT_MS = 60_000;
const GROWTH_BYTES = 50 * 1024 * 1024;
/** The engine unmaps what it has let go of in the background, some time after it was collected. */
const UNMAPPED_MS = 10_000;
/** of the 45,000, so that no route is left out as their number grows */
const PER_ROUTE = 500 / 45_000;

type Method = "GET" | "POST" | "PUT" | "DELETE" | "PATCH";

interface Answer {
  readonly statusCode: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

const schemaOf = (part: unknown): TSchema & { properties?: Record<string, TSchema> } => Object(part ?? {});

async function setUp() {
  const routes: RouteOptions[] = [];
  const deps = fakeDeps();
  const app = await buildApp(deps, { closing: new AbortController().signal, sessions: 0 }, { onRoute: (route) => routes.push(route) });
  // As the end of a connection does, which there is none of here: a body that nobody read would be waited for.
  app.addHook("onResponse", async ({ raw }) => void raw.destroy());
  return { app, deps, routes: routes.filter((route) => route.url !== "/v1/openapi.json"), [Symbol.asyncDispose]: () => app.close() };
}

function requestFor(route: RouteOptions, random: Random) {
  const ref = random.pick(["done", "nobody", "%00", "..%2f..", encodeURIComponent(random.text(10).toWellFormed()) || "x", "a".repeat(400)]);
  // Nothing ever ends a stream of events here.
  const query = queryText(schemaOf(route.schema?.querystring).properties ?? {}, random).replace(/follow=(true|1)/g, "follow=false");
  const method: Method = random.chance(25) ? random.pick(["GET", "POST", "PUT", "DELETE", "PATCH"] as const) : methodOf(route);
  const headers: Record<string, string> = {};
  let payload: string | undefined;
  if (method !== "GET" && (route.schema?.body !== undefined || random.chance(4))) {
    const value = fitting(schemaOf(route.schema?.body), random);
    payload = bodyText(random.chance(3) ? value : mutated(value, random), random);
    headers["content-type"] = random.chance(20) ? random.pick(["text/plain", "application/xml", "x", ""]) : "application/json";
  }
  if (random.chance(10)) headers["idempotency-key"] = random.pick(["k", "", "x".repeat(200), "a b"]);
  return { method, url: `${route.url.replace(":ref", ref)}${query}`, headers, payload };
}

function methodOf(route: RouteOptions): Method {
  const method = String(route.method);
  return method === "POST" || method === "PUT" || method === "DELETE" ? method : "GET";
}

/** What is wrong with an answer; undefined when nothing is. `route` is the one that answered, if any. */
function fault(answer: Answer, route: RouteOptions | undefined): string | undefined {
  if (answer.statusCode >= 500) return `status ${answer.statusCode}`;
  if (answer.statusCode >= 400) {
    const { error } = JSON.parse(answer.body);
    return isErrorCode(error.code) && error.status === answer.statusCode ? undefined : "an error of another form";
  }
  const responses: Readonly<Record<string, TSchema & { content?: Record<string, { schema: TSchema }> }>> = Object(route?.schema?.response);
  const response = responses[String(answer.statusCode)];
  if (response === undefined) return `status ${answer.statusCode}, which no schema tells of`;
  const type = String(answer.headers["content-type"]).split(";")[0] ?? "";
  const [schema, bodies] = response.content
    ? [response.content[type]?.schema, answer.body.split("\n").filter(Boolean)]
    : [response, [answer.body]];
  if (answer.statusCode === 204 || !/json/.test(type)) return undefined;
  const unfit = bodies.find((body) => !schema || !Check(schema, JSON.parse(body)));
  return unfit === undefined ? undefined : `status ${answer.statusCode} with a body that does not fit its schema: ${unfit.slice(0, 500)}`;
}

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

/** Whatever the last request did: there are a machine `done` that has ended and a snapshot of that name, taken while it ran. */
async function settle(machines: FakeMachines): Promise<void> {
  const [first] = machines.entries.values();
  const known = first?.machine.name === "done";
  if (!known) machines.entries.clear();
  if (!known) await machines.create({ image: "x", name: "done" }, { start: true });
  if (!known) machines.print("done", "stdout", "output");
  const { snapshots } = machines;
  if (!snapshots.entries.some(({ name }) => name === "done")) {
    machines.entry("done").machine = { ...machines.get("done"), state: "running" };
    await snapshots.create("done", { name: "done" });
  }
  machines.exit("done", { code: 0 });
}

/** What is really held, and what the system gave for it. */
function memory(): { readonly heap: number; readonly rss: number } {
  if (typeof collect === "function") collect();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  return { heap: heapUsed + arrayBuffers, rss };
}

/** The fakes keep everything. */
function forget({ machines, images }: ReturnType<typeof fakeDeps>): void {
  for (const { machine } of [...machines.entries.values()]) if (machine.name !== "done") machines.entries.delete(machine.id);
  const { stored, signals, stopped, spawned, removals, createOptions, snapshots } = machines;
  for (const list of [stored, signals, stopped, spawned, removals, createOptions, snapshots.signals]) list.length = 0;
  for (const kept of [machines.archives, machines.volumes.entries, machines.volumes.content, machines.networks.entries]) kept.clear();
  images.images.clear();
}

async function send(app: App, request: ReturnType<typeof requestFor>): Promise<Answer> {
  const stuck = Promise.withResolvers<never>();
  const timer = setTimeout(() => stuck.reject(new RangeError(`no answer: ${JSON.stringify(request).slice(0, 2000)}`)), ANSWER_TIMEOUT_MS);
  try {
    return await Promise.race([app.inject(request), stuck.promise]);
  } finally {
    clearTimeout(timer);
  }
}

describe("malformed requests", () => {
  it(`never bring the API down: ${REQUESTS} of them, seed ${SEED}`, { timeout: 600_000 }, async () => {
    await using t = await setUp();
    const random = new Random(SEED);
    const statuses = new Map<number, number>();
    const reached = new Map<string, number>();
    expect(1 / t.routes.length, `${t.routes.length} routes: raise REQUESTS`).toBeGreaterThanOrEqual(PER_ROUTE);
    let before = memory();
    for (let index = 0; index < REQUESTS; index += 1) {
      const route = t.routes[index % t.routes.length] ?? random.pick(t.routes);
      const request = requestFor(route, random);
      // A machine that runs on would be waited for without end.
      await settle(t.deps.machines);
      if (/wait|stats/.test(route.url) || index % 1000 === 999) forget(t.deps);
      const answer = await send(t.app, request);
      const wrong = fault(
        answer,
        t.routes.find(({ url, method }) => url === route.url && method === request.method),
      );
      // The kernel that the fake builds never works, on purpose: that is its documented error, of status 500.
      if (wrong !== undefined && !answer.body.includes("KERNEL_BUILD_FAILED"))
        expect.fail(`${wrong}: ${JSON.stringify(request).slice(0, 2000)} → ${answer.body.slice(0, 1000)}`);
      statuses.set(answer.statusCode, (statuses.get(answer.statusCode) ?? 0) + 1);
      if (answer.statusCode < 300) reached.set(route.url, (reached.get(route.url) ?? 0) + 1);
      // By then the engine has its buffers and has compiled what is used.
      if (index === Math.floor(REQUESTS / 2)) before = memory();
    }
    expect(t.deps.faults).toEqual([]);
    expect("polluted" in {}).toBe(false);
    // The fuzzer is worth something only when it also gets through.
    expect(statuses.get(400)).toBeGreaterThan(REQUESTS / 10);
    expect(reached.size).toBeGreaterThan(15);
    for (const url of ["/v1/snapshots", "/v1/snapshots/:ref", "/v1/snapshots/:ref/clone"]) expect(reached.get(url), url).toBeGreaterThan(0);
    let after = memory();
    for (const until = Date.now() + UNMAPPED_MS; after.rss - before.rss >= GROWTH_BYTES && Date.now() < until; after = memory())
      await sleep(200);
    console.log(`grown by ${(after.heap - before.heap) >> 10} KiB of heap, ${(after.rss - before.rss) >> 10} KiB resident`);
    expect(after.heap - before.heap).toBeLessThan(GROWTH_BYTES);
    expect(after.rss - before.rss).toBeLessThan(GROWTH_BYTES);
  });
});
