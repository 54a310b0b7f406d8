import { aims, PASST_MTU } from "../network/config.ts";
import { contestants } from "../network/contestants.ts";
import { allFigures, type Figure, figures } from "../network/figures.ts";
import { Lab } from "../network/lab.ts";
import { Peer } from "../network/peer.ts";
import { informed, paired, quantile, type Result } from "../result.ts";
import { pssMib } from "../start/process-use.ts";
import type { BenchWorld } from "../world.ts";

type Name = keyof Awaited<ReturnType<typeof contestants>>["all"];
type Samples = Record<Figure, Record<Name, number[]>>;

const none = (): Record<Name, number[]> => ({ user: [], network: [], slirp: [], tap: [], passt: [], passtLarge: [] });

/**
 * Machines on user-mode network and on a network of the host, each against a QEMU by hand with the same back end, and the back ends against one another. All guests talk to one peer, two namespaces of
 * the bench's own away: no traffic leaves them. The daemon keeps no groups and takes no measures: those are not of the network.
 */
export async function suite(world: BenchWorld, rounds: number): Promise<readonly Result[]> {
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(await Lab.make());
  await world.restart({ ISTHMUS_TEMPLATES: "off", ISTHMUS_CGROUP: "off", ISTHMUS_CONTENTION: "off" }, lab.onHost);
  stack.defer(() => world.restart({}));
  const peer = stack.use(new Peer(lab.outside));
  const { all, passts } = await contestants(stack, world, lab);
  const idle = passts.map(({ pid }) => pssMib(pid));
  const names: readonly Name[] = ["user", "slirp", "passt", "passtLarge", "network", "tap"];
  const samples: Samples = { up: none(), down: none(), roundTrip: none(), connections: none() };
  for (let round = 0; round <= rounds; round += 1) {
    for (const figure of allFigures) {
      for (const place of names.keys()) {
        const name = names[(place + round) % names.length] ?? "user";
        const values = await peer.measure(figure, () => all[name].execute(figures[figure].argv));
        if (round > 0) samples[figure][name].push(...values);
      }
    }
  }
  const now = passts.map(({ pid }) => pssMib(pid));
  const memory = [
    informed("memory (PSS) of a guest's passt, idle", "MiB", idle),
    informed("memory (PSS) of a guest's passt, after transfers", "MiB", now),
  ];
  return [...allFigures.flatMap((figure) => resultsOf(figure, samples[figure])), ...memory];
}

function resultsOf(figure: Figure, samples: Record<Name, readonly number[]>): Result[] {
  const { name, unit, higherIsBetter } = figures[figure];
  const against = (what: string, of: Name, floor: Name, aim: (typeof aims)[keyof typeof aims]) =>
    paired(`${name}, ${what}`, unit, samples[of], samples[floor], higherIsBetter ? aim.least : aim.most, higherIsBetter);
  const beside = (what: string, of: Name): Result => {
    const floor = quantile(samples.slirp, 0.5);
    const result = informed(`${name}, ${what} by hand beside slirp by hand`, unit, samples[of]);
    const p99 = quantile(samples[of], higherIsBetter ? 0.01 : 0.99);
    return { ...result, p99, floor, ratio: result.p50 / floor };
  };
  return [
    against("user-mode network", "user", "slirp", aims.user),
    against("network of the host", "network", "tap", aims.network),
    beside("passt", "passt"),
    beside(`passt with an MTU of ${PASST_MTU}`, "passtLarge"),
    beside("tap", "tap"),
  ];
}
