import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take longer than others of their project. One that began last would leave the other workers with nothing to do. */
const LONG = [
  "faults/crash-points.test.ts",
  "faults/crash-points-saved.test.ts",
  "e2e/templates.test.ts",
  "e2e/snapshots.test.ts",
  "e2e/debian.test.ts",
  "faults/daemon-kill.test.ts",
  "e2e/contention.test.ts",
  "faults/full-disk.test.ts",
  "e2e/volumes.test.ts",
  "e2e/streams.test.ts",
  "e2e/networks-lifecycle.test.ts",
  "faults/kill-storm.test.ts",
  "store/src/durability.test.ts",
  "network/src/rate-limits.test.ts",
  "gateway/src/lifetime.test.ts",
  "daemon/src/networks/host-networks.test.ts",
  "doors/http/src/fuzz.test.ts",
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = LONG.findIndex((name) => moduleId.endsWith(name));
      return at < 0 ? LONG.length : at;
    };
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}
