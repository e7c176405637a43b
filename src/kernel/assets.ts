import { readFileSync } from 'node:fs';
import { getAsset, isSea } from 'node:sea';

/** Text of an embedded asset: from the executable when packed, from `dist/assets` otherwise (made by `npm run gen`). */
export function assetText(name: string): string {
  if (isSea()) return getAsset(name, 'utf8');
  return readFileSync(new URL(`../../dist/assets/${name}`, import.meta.url), 'utf8');
}
