import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { testWorld } from "../testing/test-world.ts";
import { connect } from "./connect.ts";

const folder = mkdtempSync(path.join(tmpdir(), "isthmus-connect-"));
const garbage = path.join(folder, "garbage");
const missing = path.join(folder, "missing");
writeFileSync(garbage, "garbage");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a client certificate that does not do", () => {
  it.each([
    ["its key is not named", { ISTHMUS_CERT_FILE: garbage }, "ISTHMUS_KEY_FILE", "(none)"],
    ["it is not named", { ISTHMUS_KEY_FILE: garbage }, "ISTHMUS_CERT_FILE", "(none)"],
    ["it is not PEM", { ISTHMUS_CERT_FILE: garbage, ISTHMUS_KEY_FILE: garbage }, "ISTHMUS_CERT_FILE", garbage],
  ])("is told by its variable: %s", async (_name, files, field, value) => {
    const env = { ISTHMUS_URL: "https://127.0.0.1:1", ISTHMUS_TOKEN: "t", ...files };
    await expect(connect(testWorld({ env }), { autostart: false, quiet: true })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      details: { field, value },
    });
  });

  it("is told by its path when it is not there", async () => {
    const env = { ISTHMUS_URL: "https://127.0.0.1:1", ISTHMUS_TOKEN: "t", ISTHMUS_CERT_FILE: missing, ISTHMUS_KEY_FILE: garbage };
    await expect(connect(testWorld({ env }), { autostart: false, quiet: true })).rejects.toMatchObject({
      code: "LOCAL_FILE",
      details: { path: missing },
    });
  });
});
