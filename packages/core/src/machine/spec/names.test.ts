import { IsthmusError, limits } from "@isthmus/contract";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkName, makeName } from "./names.ts";

const STRINGS = 10_000;

describe("a machine's name", () => {
  it("is safe as a file name, an option's value and a word in a terminal, or refused", () => {
    const any = fc.oneof(
      fc.string({ unit: "binary", maxLength: 80 }),
      fc.stringMatching(/^[a-z0-9_.,=/-]{0,70}$/),
      fc.stringMatching(/^[0-9a-f]{16}$/),
      fc.constantFrom("..", ".", "-rf", "--", "a\n", "a\0", "a/b", "a,b", "%2e", "x".repeat(limits.nameChars + 1)),
    );
    let taken = 0;
    const check = fc.property(any, (name) => {
      try {
        checkName(name);
      } catch (error) {
        expect(error).toBeInstanceOf(IsthmusError);
        expect(error).toMatchObject({ code: "INVALID_NAME" });
        return;
      }
      taken += 1;
      expect(name).toMatch(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/);
      expect(name).not.toMatch(/\n|^[0-9a-f]{16}$/);
    });
    fc.assert(check, { numRuns: STRINGS });
    expect(taken).toBeGreaterThan(100);
  });

  it("that is made up is one that would be taken", () => {
    for (let n = 0; n < 100; n += 1) expect(() => checkName(makeName(() => false))).not.toThrow();
  });
});
