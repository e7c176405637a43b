// Target 12: a large file from a node, against a bare stream of the same chunks.
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchFleet, nodeRssBytes } from './bench-fleet.ts';
import { echoWork } from './dispatch.ts';
import type { Figure } from './figures.ts';

const MIB = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

function writeFile(path: string, bytes: number): void {
  const fd = openSync(path, 'w', 0o600);
  const block = Buffer.alloc(MIB, 'palyra');
  for (let at = 0; at < bytes; at += MIB) writeSync(fd, block);
  closeSync(fd);
}

export async function readFigures(bench: BenchFleet, { bytes }: { readonly bytes: number }): Promise<Figure[]> {
  const path = join(bench.fleet.readRoot, 'large');
  writeFile(path, bytes);
  try {
    const before = { daemon: (await bench.subject.ask('memory', undefined)).rssBytes, node: nodeRssBytes(bench) };
    const from = performance.now();
    await bench.helper.ask('stream', { bytes, chunkBytes: CHUNK_BYTES, ...bench.dial });
    const bare = bytes / ((performance.now() - from) / 1000);
    const read = async (sha256: boolean) =>
      bench.subject.ask('transfer', {
        work: { deviceId: bench.deviceId, capability: 'filesystem.read', input: { path, sha256 } },
        beside: echoWork(bench),
      });
    const [plain, hashed] = [await read(false), await read(true)];
    const after = { daemon: (await bench.subject.ask('memory', undefined)).rssBytes, node: nodeRssBytes(bench) };
    const rate = (value: number): string => `${Math.round(value / MIB)} MiB/s; G ${Math.round(bare / MIB)} MiB/s`;
    const size = `${bytes / MIB} MiB`;
    return [
      {
        target: `12 filesystem.read of ${size}`,
        value: plain.perSecond / bare,
        limit: 0.8,
        atLeast: true,
        unit: 'x G',
        timed: true,
        note: rate(plain.perSecond),
      },
      {
        target: `12 the same with its sha256`,
        value: hashed.perSecond / bare,
        limit: 0.6,
        atLeast: true,
        unit: 'x G',
        timed: true,
        note: rate(hashed.perSecond),
      },
      {
        target: '12 a small request beside it, p99',
        value: Math.max(plain.besideP99Ms, hashed.besideP99Ms),
        limit: 100,
        unit: 'ms',
        timed: true,
        note: '',
      },
      ...(['daemon', 'node'] as const).map((side) => ({
        target: `12 growth of the ${side}`,
        value: (after[side] - before[side]) / MIB,
        limit: 64,
        unit: 'MiB',
        timed: false,
        note: '',
      })),
    ];
  } finally {
    rmSync(path, { force: true });
  }
}
