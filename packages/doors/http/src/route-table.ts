import { IsthmusError } from "@isthmus/contract";
import type { FastifyReply, RouteOptions } from "fastify";
import { printable } from "./validation.ts";

/** What the reference says of a route. */
export type DescribedRoute = Pick<RouteOptions, "method" | "url" | "schema" | "config">;

/** Which methods each path takes: tells a wrong method from a wrong path. */
export class RouteTable {
  /** in the order in which they were added */
  readonly routes: DescribedRoute[] = [];
  readonly #paths = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();

  add({ method, url, schema, config }: DescribedRoute): void {
    this.routes.push({ method, url, schema, config });
    const entry = this.#paths.get(url) ?? { pattern: patternOf(url), methods: new Set<string>() };
    for (const each of [method].flat()) entry.methods.add(each);
    this.#paths.set(url, entry);
  }

  /** Why nothing answers there; sets `Allow` when another method would. */
  refusal(method: string, url: string, reply: FastifyReply): IsthmusError {
    const path = url.split("?", 1)[0] ?? url;
    for (const { pattern, methods } of this.#paths.values()) {
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
