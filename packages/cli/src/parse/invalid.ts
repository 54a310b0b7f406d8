import { IsthmusError } from "@isthmus/contract";

/** INVALID_REQUEST about a flag or argument. */
export function invalid(field: string, value: string, reason: string): IsthmusError {
  return new IsthmusError("INVALID_REQUEST", { field, value: value === "" ? "nothing" : value, reason });
}
