import { join } from "node:path";
import type { Finding } from "@isthmus/contract";
import { flaw, ok } from "./finding.ts";
import type { DoctorProbes, Surroundings } from "./surroundings.ts";

/** Opens the store's file beside the daemon, read-only, and has SQLite check it. */
export async function store(host: Surroundings, { home, sqliteVersion }: DoctorProbes): Promise<Finding> {
  const path = join(home, "isthmus.db");
  const detail = `${path}, SQLite ${sqliteVersion()}`;
  const broken = await host.databaseFault(path);
  if (broken === undefined) return ok("sqlite", "the store is whole", detail);
  const remedy = `Machines go on without it. Stop the daemon, keep a copy of ${path}*, and try: sqlite3 ${path} .recover`;
  return flaw("error", "sqlite", "the store is damaged or cannot be read", `${detail}: ${broken}`, remedy);
}
