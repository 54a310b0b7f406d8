import { describe, expect, it } from "vitest";
import { defaultSocketPath, parseAddress } from "./address.ts";

describe("defaultSocketPath", () => {
  it("is what the environment says, else the user's own", () => {
    expect(defaultSocketPath({ ISTHMUS_SOCKET: "/x.sock" }, 0)).toBe("/x.sock");
    expect(defaultSocketPath({}, 0)).toBe("/run/isthmus/isthmus.sock");
    expect(defaultSocketPath({ XDG_RUNTIME_DIR: "/run/user/7" }, 1000)).toBe("/run/user/7/isthmus/isthmus.sock");
    expect(defaultSocketPath({}, 1000)).toBe("/run/user/1000/isthmus/isthmus.sock");
  });
});

describe("parseAddress", () => {
  const code = (options: Parameters<typeof parseAddress>[0]) => {
    try {
      return parseAddress(options).kind;
    } catch (error) {
      return error instanceof Error && "code" in error ? error.code : "other";
    }
  };

  it("takes https with a token only", () => {
    expect(code({ url: "https://host:1234", token: "t" })).toBe("tls");
    expect(code({ url: "http://host:1234", token: "t" })).toBe("CONFIG_INVALID");
    expect(code({ url: "https://host:1234" })).toBe("CONFIG_INVALID");
    expect(code({ url: "::::", token: "t" })).toBe("CONFIG_INVALID");
    expect(code({ url: "https://host", socketPath: "/x", token: "t" })).toBe("CONFIG_INVALID");
  });

  it("takes IPv6 addresses", () => {
    expect(parseAddress({ url: "https://[::1]:8443", token: "t" })).toMatchObject({ host: "::1", port: 8443 });
  });
});
