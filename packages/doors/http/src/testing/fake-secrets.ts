import { defaults, IsthmusError, type Secret, type SecretSpec } from "@isthmus/contract";
import type { Caller, SecretActions } from "@isthmus/core";

/** Secrets in memory. */
export class FakeSecrets implements SecretActions {
  readonly entries: Secret[] = [];

  create({ name, value, tenant }: SecretSpec, by: Caller): Secret {
    const createdAt = new Date().toISOString();
    const secret = { name, tenant: tenant ?? by.tenant ?? defaults.tenant, sizeBytes: Buffer.from(value, "base64").length, createdAt };
    this.entries.push(secret);
    return secret;
  }

  list(by: Caller): readonly Secret[] {
    return this.entries.filter(({ tenant }) => (by.tenant ?? tenant) === tenant);
  }

  remove(name: string, by: Caller, tenant?: string): Secret {
    const found = this.list(by).find((one) => one.name === name && (tenant ?? one.tenant) === one.tenant);
    if (found === undefined) throw new IsthmusError("SECRET_NOT_FOUND", { name, tenant: tenant ?? by.tenant });
    this.entries.splice(this.entries.indexOf(found), 1);
    return found;
  }
}
