import type Http from "node:http";
import type Https from "node:https";
import websocket from "@fastify/websocket";
import { IsthmusError, limits, STREAM_MESSAGE_BYTES } from "@isthmus/contract";
import fastify, { type FastifyRequest, type RouteOptions } from "fastify";
import { type Authority, addAccess, checkDeclared } from "./access.ts";
import {
  BODY_TIMEOUT_MS,
  CONNECTION_CHECK_MS,
  HEADER_BYTES,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  MAX_CONNECTIONS,
  MAX_SESSIONS,
  PARAM_CHARS,
} from "./config.ts";
import type { App, DoorContext, DoorDeps, Routes } from "./deps.ts";
import { answerToGarbage, sendError, toIsthmusError } from "./failures.ts";
import { addOpenApi } from "./openapi.ts";
import { RouteTable } from "./route-table.ts";
import { archiveRoutes } from "./routes/archive.ts";
import { daemonRoutes } from "./routes/daemon.ts";
import { eventRoutes } from "./routes/events.ts";
import { hostRoutes } from "./routes/host.ts";
import { imageRoutes, imageUploadRoutes } from "./routes/images.ts";
import { kernelRoutes } from "./routes/kernels.ts";
import { licenceRoutes } from "./routes/licences.ts";
import { lifecycleRoutes } from "./routes/lifecycle.ts";
import { machineRoutes } from "./routes/machines.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { networkRoutes } from "./routes/networks.ts";
import { outputRoutes } from "./routes/output.ts";
import { quotaRoutes } from "./routes/quotas.ts";
import { registryRoutes } from "./routes/registry.ts";
import { secretRoutes } from "./routes/secrets.ts";
import { sessionRoutes } from "./routes/sessions.ts";
import { snapshotRoutes } from "./routes/snapshots.ts";
import { templateRoutes } from "./routes/templates.ts";
import { tokenRoutes } from "./routes/tokens.ts";
import { volumeRoutes, volumeUploadRoutes } from "./routes/volumes.ts";
import { type TlsKeys, tlsOptions } from "./tls-keys.ts";
import { echo, printable, typedQuery } from "./validation.ts";
import { checkWellFormed } from "./well-formed.ts";

// An import statement would read every export of node:http, and with that load fetch: 5 MB that nothing here needs.
const http: typeof Http = process.getBuiltinModule("node:http");

export interface AppOptions {
  readonly tls?: TlsKeys;
  /** default: whoever reaches the application owns it, as on the Unix socket */
  readonly authority?: Authority;
  /** called with each route, for checks of the whole table */
  readonly onRoute?: (route: RouteOptions) => void;
}

const jsonRoutes: readonly Routes[] = [
  daemonRoutes,
  machineRoutes,
  lifecycleRoutes,
  outputRoutes,
  sessionRoutes,
  eventRoutes,
  hostRoutes,
  imageRoutes,
  registryRoutes,
  templateRoutes,
  snapshotRoutes,
  volumeRoutes,
  networkRoutes,
  licenceRoutes,
  kernelRoutes,
  quotaRoutes,
  tokenRoutes,
  secretRoutes,
  metricsRoutes,
];
const uploadRoutes: readonly Routes[] = [archiveRoutes, imageUploadRoutes, volumeUploadRoutes];

const https = (): typeof Https => process.getBuiltinModule("node:https");

function makeServer(handler: Http.RequestListener, tls: TlsKeys | undefined): Http.Server {
  const options = {
    maxHeaderSize: HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    // Archives take as long as they take; other bodies have BODY_TIMEOUT_MS.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: CONNECTION_CHECK_MS,
    noDelay: true,
  };
  const server = tls ? https().createServer({ ...options, ...tlsOptions(tls) }, handler) : http.createServer(options, handler);
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

/** The API as a fastify application that listens nowhere yet. */
export async function buildApp(deps: DoorDeps, context: DoorContext, options: AppOptions = {}): Promise<App> {
  const app: App = fastify({
    logger: false,
    bodyLimit: limits.jsonBodyBytes,
    return503OnClosing: false,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: PARAM_CHARS },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allErrors: false } },
    serverFactory: (handler) => makeServer(handler, options.tls),
    frameworkErrors: (error, request, reply) => void sendError(reply, toIsthmusError(error, request, deps.log)),
    clientErrorHandler: (error, socket) => {
      if (socket.writable && error.code !== "ECONNRESET") socket.end(answerToGarbage(error.code));
      else socket.destroy();
    },
  });
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setErrorHandler((error, request, reply) => sendError(reply, toIsthmusError(error, request, deps.log)));
  addParsers(app);
  const table = new RouteTable();
  app.addHook("onRoute", (route) => {
    checkDeclared(route);
    table.add(route);
    options.onRoute?.(route);
  });
  app.setNotFoundHandler((request, reply) => sendError(reply, table.refusal(request.method, request.url, reply)));
  await app.register(websocket, { options: { maxPayload: STREAM_MESSAGE_BYTES, perMessageDeflate: false } });
  addGuards(app, context);
  addAccess(app, deps, options.authority ?? { owner: true });
  app.addHook("onRequest", async (request) => {
    if (request.ws) checkUpgrade(request, context);
  });
  addOpenApi(app, table);
  for (const add of jsonRoutes) add(app, deps, context);
  await app.register((uploads: App, _options, done) => {
    uploads.removeAllContentTypeParsers();
    uploads.addContentTypeParser("*", (_request, _payload, parsed) => parsed(null));
    for (const add of uploadRoutes) add(uploads, deps, context);
    done();
  });
  return app;
}

function addParsers(app: App): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    const text = String(body);
    void parse(request, text, (error, value) => {
      if (error) done(new IsthmusError("INVALID_JSON", { reason: whyNotJson(text) }, { cause: error }), undefined);
      else done(null, value);
    });
  });
}

function whyNotJson(text: string): string {
  if (text === "") return "it is empty";
  try {
    JSON.parse(text);
    return "it holds a key that no object may have, such as __proto__";
  } catch (cause) {
    return printable(cause instanceof Error ? cause.message : "it cannot be read");
  }
}

function addGuards(app: App, context: DoorContext): void {
  app.addHook("onRequest", async () => {
    if (context.closing.aborted) throw new IsthmusError("SHUTTING_DOWN");
  });
  app.addHook("preParsing", async (request, _reply, payload) => {
    if (request.routeOptions.config?.upload || !announcesBody(request)) return payload;
    // A request without a body is complete but never "ends" while its answer is still being written.
    const timer = setTimeout(() => {
      if (!request.raw.complete) request.raw.destroy();
    }, BODY_TIMEOUT_MS);
    timer.unref();
    request.raw.once("end", () => clearTimeout(timer)).once("close", () => clearTimeout(timer));
    return payload;
  });
  app.addHook("preValidation", async (request) => {
    if (request.is404) return;
    for (const where of ["params", "query", "body"] as const) checkWellFormed(where, request[where]);
    const { schema, config } = request.routeOptions;
    if (!schema?.querystring) refuseFields(request.query);
    request.query = typedQuery(schema?.querystring, request.query);
    const bodiless = schema?.body === undefined && !config?.upload;
    if (bodiless && request.body !== undefined && request.body !== null) refuseFields(request.body);
  });
}

function announcesBody({ headers }: FastifyRequest): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function checkUpgrade(request: FastifyRequest, context: DoorContext): void {
  if (request.headers.origin !== undefined) throw new IsthmusError("ORIGIN_REFUSED", { origin: printable(request.headers.origin) });
  if (!request.is404 && !request.routeOptions.config?.session)
    throw new IsthmusError("INVALID_REQUEST", { field: "Upgrade", value: "websocket", reason: "this is no WebSocket" });
  if (context.sessions >= MAX_SESSIONS)
    throw new IsthmusError("TOO_MANY_REQUESTS", { what: "sessions", value: context.sessions, limit: MAX_SESSIONS });
}

/** For what takes no fields at all. */
function refuseFields(given: unknown): void {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new IsthmusError("INVALID_REQUEST", { field: "body", value: echo(given), reason: "no body is taken here" });
  const [field] = Object.keys(given);
  if (field !== undefined) throw new IsthmusError("UNKNOWN_FIELD", { field: printable(field) });
}
