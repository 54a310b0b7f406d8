import { isUtf8 } from "node:buffer";
import { defaults, IsthmusError, limits, type MachineSpec, type Secret, type SecretSpec } from "@isthmus/contract";
import type { Caller } from "../access/caller.ts";
import { tenantOf } from "../licence/lease-events.ts";
import type { Clock, Store } from "../machine/ports.ts";
import { checkTenant } from "../quota/tenant.ts";
import type { Delivery, SecretBox, StoredSecret } from "./ports.ts";

/** Where secrets are in a guest that does not say where it wants them. */
export const SECRETS_FOLDER = "/run/secrets";

/** What can be done with secrets. Who is bound to a tenant sees and touches that tenant's only; others name one, or mean the default. */
export interface SecretActions {
  /** Throws SECRET_TAKEN, FORBIDDEN, INVALID_REQUEST, TOO_LARGE. */
  create(spec: SecretSpec, by: Caller): Secret;
  /** By tenant and name, without their values, which nothing tells. */
  list(by: Caller): readonly Secret[];
  /** Throws SECRET_NOT_FOUND, SECRET_IN_USE, FORBIDDEN. */
  remove(name: string, by: Caller, tenant?: string): Secret;
}

/** Of a daemon that keeps none. */
export const noBox: SecretBox = {
  seal: () => {
    throw new IsthmusError("SECRET_UNREADABLE", { name: "of any name", reason: "there is no key" });
  },
  open: (_sealed, bound) => {
    throw new IsthmusError("SECRET_UNREADABLE", { name: bound, reason: "there is no key" });
  },
};

export interface SecretParts {
  readonly store: Pick<Store, "secrets" | "secret" | "insertSecret" | "deleteSecret" | "allMachines">;
  readonly box: SecretBox;
  readonly clock: Clock;
}

export class Secrets implements SecretActions {
  readonly #parts: SecretParts;

  constructor(parts: SecretParts) {
    this.#parts = parts;
  }

  create(spec: SecretSpec, by: Caller): Secret {
    const { store, box, clock } = this.#parts;
    const tenant = tenantFor(by, spec.tenant);
    const value = bytesOf(spec.value);
    if (store.secret(tenant, spec.name)) throw new IsthmusError("SECRET_TAKEN", { name: spec.name, tenant });
    if (store.secrets().length >= limits.secrets)
      throw new IsthmusError("TOO_LARGE", { field: "the number of secrets", value: limits.secrets + 1, limit: limits.secrets });
    const sealed = box.seal(value, boundTo(tenant, spec.name));
    const createdAt = new Date(clock.now()).toISOString();
    const secret: StoredSecret = { name: spec.name, tenant, sizeBytes: value.length, createdAt, sealed };
    store.insertSecret(secret, [{ type: "secret.created", tenant, details: { secret: spec.name, tenant, by: by.who } }]);
    return shown(secret);
  }

  list(by: Caller): readonly Secret[] {
    const all = this.#parts.store.secrets();
    return all.filter(({ tenant }) => by.tenant === undefined || by.tenant === tenant).map(shown);
  }

  remove(name: string, by: Caller, asked?: string): Secret {
    const { store } = this.#parts;
    const tenant = tenantFor(by, asked);
    const found = store.secret(tenant, name);
    if (found === undefined) throw new IsthmusError("SECRET_NOT_FOUND", { name, tenant });
    const user = store.allMachines().find(({ machine: { spec } }) => tenantOf(spec) === tenant && namesOf(spec).includes(name));
    if (user) throw new IsthmusError("SECRET_IN_USE", { name, holder: user.machine.name });
    store.deleteSecret(tenant, name, [{ type: "secret.removed", tenant, details: { secret: name, tenant, by: by.who } }]);
    return shown(found);
  }

  /** Throws SECRET_NOT_FOUND, SECRET_UNREADABLE, and INVALID_REQUEST for what no variable can hold. */
  check(spec: MachineSpec): void {
    const tenant = tenantOf(spec);
    for (const name of namesOf(spec)) this.#value(tenant, name);
    for (const [variable, name] of Object.entries(spec.secretEnv ?? {})) {
      const value = this.#value(tenant, name);
      if (isUtf8(value) && !value.includes(0)) continue;
      const reason = "its value is no text, which a variable must hold; give it as a file";
      throw new IsthmusError("INVALID_REQUEST", { field: `secretEnv.${variable}`, value: name, reason });
    }
  }

  /** What the guest of a machine is given, now. Throws SECRET_NOT_FOUND, SECRET_UNREADABLE. */
  deliver(spec: MachineSpec): Delivery {
    const tenant = tenantOf(spec);
    return {
      files: (spec.secrets ?? []).map(({ secret, path }) => ({ name: secret, path, bytes: this.#value(tenant, secret) })),
      env: Object.entries(spec.secretEnv ?? {}).map(([variable, name]) => `${variable}=${this.#value(tenant, name).toString("utf8")}`),
    };
  }

  #value(tenant: string, name: string): Buffer {
    const found = this.#parts.store.secret(tenant, name);
    if (found === undefined) throw new IsthmusError("SECRET_NOT_FOUND", { name, tenant });
    return this.#parts.box.open(found.sealed, boundTo(tenant, name));
  }
}

function boundTo(tenant: string, name: string): string {
  return `${tenant}/${name}`;
}

function namesOf(spec: MachineSpec): string[] {
  return [...(spec.secrets ?? []).map(({ secret }) => secret), ...Object.values(spec.secretEnv ?? {})];
}

function shown({ sealed: _kept, ...secret }: StoredSecret): Secret {
  return secret;
}

function tenantFor(by: Caller, asked: string | undefined): string {
  const tenant = asked ?? by.tenant ?? defaults.tenant;
  if (by.tenant !== undefined && tenant !== by.tenant)
    throw new IsthmusError("FORBIDDEN", { who: by.who, needed: "a token of that tenant" });
  checkTenant(tenant);
  return tenant;
}

/** No error repeats the value. */
function bytesOf(value: string): Buffer {
  const bytes = Buffer.from(value, "base64");
  const hidden = { field: "value", value: "(hidden)" };
  if (bytes.toString("base64") !== value) throw new IsthmusError("INVALID_REQUEST", { ...hidden, reason: "it is not base64" });
  if (bytes.length === 0) throw new IsthmusError("INVALID_REQUEST", { ...hidden, reason: "it is empty" });
  if (bytes.length > limits.secretBytes)
    throw new IsthmusError("TOO_LARGE", { field: "the secret", value: `${bytes.length} bytes`, limit: `${limits.secretBytes} bytes` });
  return bytes;
}
