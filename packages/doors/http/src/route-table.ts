import { IsthmusError } from "@isthmus/contract";
import type { FastifyReply, RouteOptions } from "fastify";
import { printable } from "./validation.ts";

/** Which methods each path takes: tells a wrong method from a wrong path. */
export class RouteTable {
  readonly #routes = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();

  add(route: RouteOptions): void {
    const entry = this.#routes.get(route.url) ?? { pattern: patternOf(route.url), methods: new Set<string>() };
    for (const method of [route.method].flat()) entry.methods.add(method);
    this.#routes.set(route.url, entry);
  }

  /** Why nothing answers there; sets `Allow` when another method would. */
  refusal(method: string, url: string, reply: FastifyReply): IsthmusError {
    const path = url.split("?", 1)[0] ?? url;
    for (const { pattern, methods } of this.#routes.values()) {
      if (!pattern.test(path)) continue;
      void reply.header("allow", [...methods].join(", "));
      return new IsthmusError("METHOD_NOT_ALLOWED", { method, path: printable(path) });
    }
    return new IsthmusError("ROUTE_NOT_FOUND", { method, path: printable(path) });
  }
}

function patternOf(url: string): RegExp {
  const parts = url.split("/").map((part) => (part.startsWith(":") ? "[^/]+" : part.replaceAll(".", "\\.")));
  return new RegExp(`^${parts.join("/")}$`);
}
