/** One way to do a thing. Prepares what is not measured, measures, and cleans up. */
export interface Contestant {
  readonly name: string;
  /** ms */
  once(): Promise<number>;
}

/** Samples in ms by the name of the contestant. */
export type Samples = ReadonlyMap<string, readonly number[]>;

/** Each contestant in turn, again and again, so that what the host does meanwhile meets all of them; another one begins each round. The first round is not counted. */
export async function race(contestants: readonly Contestant[], rounds: number): Promise<Samples> {
  const samples = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const place of contestants.keys()) {
      const contestant = contestants[(place + round) % contestants.length];
      if (contestant === undefined) continue;
      const ms = await contestant.once();
      if (round > 0) samples.get(contestant.name)?.push(ms);
    }
  }
  return samples;
}

/** Runs `action` for 0, 1 … count-1 with so many under way at a time. */
export async function inFlight(count: number, concurrency: number, action: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      next += 1;
      await action(next - 1);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
}
