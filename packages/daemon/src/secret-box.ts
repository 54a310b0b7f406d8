import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { closeSync, constants, fstatSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { IsthmusError } from "@isthmus/contract";
import type { SecretBox } from "@isthmus/core";

const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
/** NIST SP 800-38D, 5.2.1.1: the length that needs no hashing; random ones are good for 2^32 values of a key */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** bits that others than the owner must not have */
const OTHERS = 0o077;

/** Seals with a key in a file of its own, which is made (0600) when the first secret is. A sealed value is nonce, tag, ciphertext. */
export function createSecretBox(keyPath: string): SecretBox {
  let key: Buffer | undefined;
  return {
    seal(value, bound) {
      key ??= readKey(keyPath) ?? makeKey(keyPath);
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(bound));
      const text = Buffer.concat([cipher.update(value), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), text]);
    },
    open(sealed, bound) {
      key ??= readKey(keyPath);
      if (key === undefined) throw new IsthmusError("SECRET_UNREADABLE", { name: bound, reason: `the key file ${keyPath} is gone` });
      const [nonce, tag, text] = [
        sealed.subarray(0, NONCE_BYTES),
        sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES),
        sealed.subarray(NONCE_BYTES + TAG_BYTES),
      ];
      try {
        const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(bound)).setAuthTag(tag);
        return Buffer.concat([decipher.update(text), decipher.final()]);
      } catch (cause) {
        throw new IsthmusError("SECRET_UNREADABLE", { name: bound, reason: "it was sealed with another key, or damaged" }, { cause });
      }
    },
  };
}

/** Undefined when there is none. */
function readKey(path: string): Buffer | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw unusable(path, cause instanceof Error ? cause.message : "it cannot be opened", cause);
  }
  try {
    if ((fstatSync(file).mode & OTHERS) !== 0) throw unusable(path, "others than its owner may use it; run chmod 600 on it");
    const key = readFileSync(file);
    if (key.length !== KEY_BYTES) throw unusable(path, `it has ${key.length} bytes, a key has ${KEY_BYTES}`);
    return key;
  } finally {
    closeSync(file);
  }
}

/** Durable before anything is sealed with it. */
function makeKey(path: string): Buffer {
  const key = randomBytes(KEY_BYTES);
  try {
    const file = openSync(path, "wx", 0o600);
    try {
      writeSync(file, key);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw unusable(path, cause instanceof Error ? cause.message : "it cannot be written", cause);
  }
  return key;
}

function unusable(path: string, reason: string, cause?: unknown): IsthmusError {
  return new IsthmusError("LOCAL_FILE", { path, reason }, { cause });
}
