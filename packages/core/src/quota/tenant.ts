import { IsthmusError, limits } from "@isthmus/contract";

/** Throws INVALID_NAME. */
export function checkTenant(tenant: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(tenant) && tenant.length <= limits.nameChars) return;
  const reason = `it must be 1 to ${limits.nameChars} letters, digits, '_', '.' or '-', beginning with a letter or digit`;
  throw new IsthmusError("INVALID_NAME", { field: "tenant", value: tenant.slice(0, limits.nameChars), reason });
}
