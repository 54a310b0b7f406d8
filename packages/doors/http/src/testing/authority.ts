import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export interface Issued {
  /** PEM, as the key is */
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority made by openssl, in a folder of its own that goes with it. */
export class TestAuthority implements Disposable {
  readonly cert: string;
  readonly #folder = mkdtempSync(path.join(tmpdir(), "isthmus-authority-"));

  constructor(name: string) {
    this.#openssl("req", "-x509", ...this.#newKey("authority"), "-subj", `/CN=${name}`, "-days", "1", "-out", this.#file("authority.pem"));
    this.cert = readFileSync(this.#file("authority.pem"), "utf8");
  }

  /** A certificate for 127.0.0.1 that is valid from now on for so many days, which may be fewer than none. */
  issue(name: string, days = 1): Issued {
    this.#openssl(
      "req",
      ...this.#newKey(name),
      "-subj",
      `/CN=${name}`,
      "-addext",
      "subjectAltName=IP:127.0.0.1",
      "-out",
      this.#file("csr"),
    );
    const signer = ["-CA", this.#file("authority.pem"), "-CAkey", this.#file("authority.key"), "-CAcreateserial"];
    const signed = ["-in", this.#file("csr"), ...signer, "-copy_extensions", "copy", "-out", this.#file("pem")];
    this.#openssl("x509", "-req", ...signed, "-days", String(days));
    return { cert: readFileSync(this.#file("pem"), "utf8"), key: readFileSync(this.#file(`${name}.key`), "utf8") };
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #file(name: string): string {
    return path.join(this.#folder, name);
  }

  #newKey(name: string): readonly string[] {
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", this.#file(`${name}.key`)];
  }

  #openssl(...args: readonly string[]): void {
    execFileSync("openssl", args, { stdio: "pipe" });
  }
}
