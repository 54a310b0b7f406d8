import { crashPoints } from "@isthmus/core";
import { describe } from "vitest";
import { converges, isOfNetworks, isOfSaving, isOfVolumes } from "./crash-points.fixture.ts";

describe("a daemon that dies at a side effect of create, start, stop or remove", () => {
  converges(crashPoints.filter((point) => !isOfSaving(point) && !isOfVolumes(point) && !isOfNetworks(point)));
});
