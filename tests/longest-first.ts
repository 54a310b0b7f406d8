import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take a minute or more. One that began last would leave the other worker with nothing to do. */
const LONG = [
  "faults/crash-points.test.ts",
  "faults/crash-points-saved.test.ts",
  "e2e/templates.test.ts",
  "e2e/snapshots.test.ts",
  "e2e/debian.test.ts",
  "faults/daemon-kill.test.ts",
  "faults/kill-storm.test.ts",
  "e2e/contention.test.ts",
  "faults/full-disk.test.ts",
  "e2e/streams.test.ts",
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
