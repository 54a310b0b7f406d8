import { describe, expect, it } from "vitest";
import { readRegistries } from "./registry-settings.ts";

describe("settings of registries", () => {
  it("are empty when nothing is set", () => {
    expect(readRegistries({})).toMatchObject({ insecure: [], mirrors: new Map() });
  });

  it("name registries, mirrors in their order, and proxies", () => {
    const settings = readRegistries({
      ISTHMUS_INSECURE_REGISTRIES: "plain.example:5000, 10.0.0.1",
      ISTHMUS_REGISTRY_MIRRORS: "docker.io=https://one.example,docker.io=http://plain.example:5000/hub,ghcr.io=http://127.0.0.1:5000",
      HTTPS_PROXY: "http://proxy.example:3128",
    });
    expect(settings.insecure).toEqual(["plain.example:5000", "10.0.0.1"]);
    expect([...settings.mirrors]).toEqual([
      ["docker.io", ["https://one.example/", "http://plain.example:5000/hub"]],
      ["ghcr.io", ["http://127.0.0.1:5000/"]],
    ]);
    expect(settings.proxies.HTTPS_PROXY).toBe("http://proxy.example:3128");
  });

  it.each([
    { ISTHMUS_INSECURE_REGISTRIES: "http://x.example" },
    { ISTHMUS_INSECURE_REGISTRIES: "*" },
    { ISTHMUS_REGISTRY_MIRRORS: "https://one.example" },
    { ISTHMUS_REGISTRY_MIRRORS: "docker.io=http://one.example" },
    { ISTHMUS_REGISTRY_MIRRORS: "docker.io=ftp://127.0.0.1" },
    { ISTHMUS_REGISTRY_MIRRORS: "docker.io=https://user:secret@one.example" },
  ])("refuse %j", (env) => {
    expect(() => readRegistries(env)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });

  it("tell no secret of a mirror's URL", () => {
    expect(() => readRegistries({ ISTHMUS_REGISTRY_MIRRORS: "docker.io=https://user:secret@one.example" })).not.toThrow(/secret/);
  });
});
