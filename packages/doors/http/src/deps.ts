import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { HostPressure, Version } from "@isthmus/contract";
import type { Caller, Doctor, ImageStore, Kernels, Machines, Metrics, Permission, TokenActions } from "@isthmus/core";
import type { FastifyBaseLogger, FastifyInstance } from "fastify";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The body is a stream of any length, read by the route itself. */
    upload?: boolean;
    /** The route is a WebSocket's. */
    session?: boolean;
    /** who may use it; a door with a route that does not say so never opens */
    permission?: Permission;
  }
  interface FastifyRequest {
    /** who asks */
    caller: Caller;
    /** what of the machines the caller may see and touch */
    machines: Machines;
  }
}

/** Where the door tells what happens; a pino logger fits. */
export interface DoorLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The parts that the door translates requests for. */
export interface DoorDeps {
  readonly machines: Machines;
  readonly tokens: TokenActions;
  readonly images: ImageStore;
  readonly kernels: Kernels;
  readonly doctor: Doctor;
  readonly metrics: Metrics;
  readonly pressure: () => Promise<HostPressure>;
  readonly version: () => Version;
  readonly log: DoorLog;
}

/** What all listeners of one door share. */
export interface DoorContext {
  /** Aborted with SHUTTING_DOWN when the door closes. */
  readonly closing: AbortSignal;
  /** exec and attach sessions that are open */
  sessions: number;
}

export type App = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>;

/** What routes are given: of machines a request brings those that its caller may see. */
export type RouteDeps = Omit<DoorDeps, "machines">;

/** The routes of one resource. */
export type Routes = (app: App, deps: RouteDeps, context: DoorContext) => void;
