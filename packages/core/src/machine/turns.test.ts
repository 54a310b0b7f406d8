import { expect, it } from "vitest";
import { Turns } from "./turns.ts";

it("lets others in between any two, in the order of the calls", async () => {
  const turns = new Turns();
  const seen: string[] = [];
  let going = true;
  const others = () => {
    seen.push("other");
    if (going) setImmediate(others);
  };
  setImmediate(others);
  await Promise.all(["a", "b", "c"].map((name) => turns.next().then(() => seen.push(name))));
  going = false;
  expect(seen.filter((name) => name !== "other")).toEqual(["a", "b", "c"]);
  expect(seen.join(" ")).toMatch(/a( other)+ b( other)+ c/);
});
