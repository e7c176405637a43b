import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { systemCode } from '../../kernel/errors.ts';

/** The things at these paths, recognised by device and inode: by whatever name somebody comes to them. */
export async function protectedPlaces(paths: readonly string[]): Promise<(stats: BigIntStats) => boolean> {
  const found = await Promise.all(paths.map(identityAt));
  const places = new Set(found.filter((identity) => identity !== undefined));
  return (stats) => places.size > 0 && places.has(identityOf(stats));
}

const identityOf = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`;

async function identityAt(path: string): Promise<string | undefined> {
  try {
    return identityOf(await stat(path, { bigint: true }));
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}
