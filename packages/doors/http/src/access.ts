import { IsthmusError } from "@isthmus/contract";
import { type Caller, checkPermission, hostOwner, machinesOf, type Permission } from "@isthmus/core";
import type { FastifyRequest, RouteOptions } from "fastify";
import { tokenCheck } from "./auth.ts";
import { REVOKED_GRACE_MS } from "./config.ts";
import type { App, DoorDeps } from "./deps.ts";

/** What routes declare. `own` is about what is the caller's, its tenant's or all of it; `host` about what belongs to no tenant. */
export const permit = {
  looks: { permission: { role: "viewer", reach: "tenant" } },
  works: { permission: { role: "operator", reach: "tenant" } },
  governs: { permission: { role: "admin", reach: "tenant" } },
  looksAtHost: { permission: { role: "viewer", reach: "host" } },
  worksOnHost: { permission: { role: "operator", reach: "host" } },
  governsHost: { permission: { role: "admin", reach: "host" } },
} as const satisfies Record<string, { permission: Permission }>;

/** Throws INTERNAL for a route that does not say who may use it: such a door never opens. */
export function checkDeclared({ method, url, config }: RouteOptions): void {
  if (config?.permission === undefined) throw new IsthmusError("INTERNAL", { reason: `${String(method)} ${url} declares no permission` });
}

/** Who may ask on one listener. */
export interface Authority {
  /** of whoever opened the socket itself: its requests need no token */
  readonly owner: boolean;
  /** a token from the daemon's settings, which may do everything */
  readonly hostToken?: string;
}

/** Finds out who asks, and holds it to what the route declares. Without a route (nothing is there) it is enough to be known. */
export function addAccess(app: App, deps: DoorDeps, authority: Authority): void {
  const isHostToken = authority.hostToken === undefined ? () => false : tokenCheck(authority.hostToken);
  const callerOf = (authorization: string | undefined): Caller => {
    if (authorization === undefined && authority.owner) return hostOwner;
    const value = /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
    if (value === undefined) throw new IsthmusError("UNAUTHORIZED");
    return isHostToken(value) ? hostOwner : deps.tokens.authenticate(value);
  };
  app.addHook("onRequest", async (request, reply) => {
    const caller = callerOf(request.headers.authorization);
    const permission = request.routeOptions.config?.permission;
    if (!request.is404) checkPermission(caller, permission ?? permit.governsHost.permission);
    request.caller = caller;
    request.machines = machinesOf(deps.machines, caller);
    if (caller !== hostOwner && !request.ws) endWith(request, caller, (release) => reply.raw.once("close", release));
  });
}

/** Streams say by themselves that the right to them is over; a connection whose client does not read them is cut after a moment. */
function endWith(request: FastifyRequest, { over }: Caller, onClose: (release: () => void) => void): void {
  const { socket } = request.raw;
  const cut = () => {
    setTimeout(() => socket.destroy(), REVOKED_GRACE_MS).unref();
  };
  over.addEventListener("abort", cut, { once: true });
  onClose(() => over.removeEventListener("abort", cut));
}
