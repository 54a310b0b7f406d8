import { IsthmusError } from "@isthmus/contract";
import type { MachineRecord } from "@isthmus/core";

type Row = Readonly<Record<string, unknown>>;

export function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw new IsthmusError("STORE_FAILED", { reason: "a column that must hold text does not" });
}

export function jsonObject(json: string): Record<string, unknown> {
  const value: unknown = JSON.parse(json);
  if (!isObject(value)) throw new IsthmusError("STORE_FAILED", { reason: "a column that must hold a JSON object does not" });
  return value;
}

/** The record of a row. Rows are written by `MachineTable` only; a row that was damaged is STORE_FAILED. */
export function machineRecord(row: Row): MachineRecord {
  const record: unknown = { machine: jsonObject(text(row.machine)), boot: jsonObject(text(row.boot)) };
  if (!isRecord(record)) throw new IsthmusError("STORE_FAILED", { reason: `the row of machine ${String(row.id)} is damaged` });
  return record;
}

function isRecord(value: unknown): value is MachineRecord {
  if (!isObject(value) || !isObject(value.machine) || !isObject(value.boot)) return false;
  const { machine, boot } = value;
  return (
    typeof machine.id === "string" && typeof machine.state === "string" && isObject(machine.spec) && typeof boot.bootOffset === "number"
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
