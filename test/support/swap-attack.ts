import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

// Swaps in a loop, as fast as it can, by renames alone: at each moment one of the two is there.
const ATTACK = `
const { parentPort, workerData } = require('node:worker_threads');
const fs = require('node:fs');
const { swaps, stop } = workerData;
const flag = new Int32Array(stop);
let rounds = 0;
// Four rounds leave everything in its place, also nested swaps.
while (Atomics.load(flag, 0) === 0 || rounds % 4 !== 0) {
  for (const [one, other, spare] of swaps) {
    fs.renameSync(one, spare);
    fs.renameSync(other, one);
    fs.renameSync(spare, other);
  }
  rounds += 1;
}
parentPort.postMessage(rounds);
`;

/** Two paths that change places for ever, and a third one to do it with. */
export type Swap = readonly [one: string, other: string, spare: string];

/** Runs `victim` again and again for `ms` while a thread swaps; resolves to how often the thread did. */
export async function underSwapAttack(
  swaps: readonly Swap[],
  ms: number,
  victim: () => Promise<void>,
): Promise<number> {
  const stop = new SharedArrayBuffer(4);
  const worker = new Worker(ATTACK, { eval: true, workerData: { swaps, stop } });
  try {
    await once(worker, 'online');
    const end = performance.now() + ms;
    while (performance.now() < end) await victim();
  } finally {
    Atomics.store(new Int32Array(stop), 0, 1);
  }
  const [rounds] = (await once(worker, 'message')) as [number];
  await worker.terminate();
  return rounds;
}
