import { IsthmusError, type Role, roles } from "@isthmus/contract";

/** Who asks. */
export interface Caller {
  /** for messages: `token ci`, `the owner of the socket` */
  readonly who: string;
  readonly role: Role;
  /** sees and touches what is of this tenant only; absent: everything of the host */
  readonly tenant?: string;
  /** aborted with UNAUTHORIZED when the right to ask is over; never for the owner of the host */
  readonly over: AbortSignal;
}

/** Whoever may use the daemon's socket owns the daemon. */
export const hostOwner: Caller = { who: "the owner of this host", role: "admin", over: new AbortController().signal };

/** What it takes to do something: a role, and `host` where it is about more than one tenant's things. */
export interface Permission {
  readonly role: Role;
  readonly reach: "tenant" | "host";
}

/** Throws FORBIDDEN. */
export function checkPermission({ who, role, tenant }: Caller, needed: Permission): void {
  const short = roles.indexOf(role) < roles.indexOf(needed.role);
  if (short) throw new IsthmusError("FORBIDDEN", { who, needed: `role ${needed.role}` });
  if (needed.reach === "host" && tenant !== undefined) throw new IsthmusError("FORBIDDEN", { who, needed: "a token of the whole host" });
}
