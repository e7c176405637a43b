// Whether dist/palyra is built from the sources that are here.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const root = dirname(import.meta.dirname);
const stamp = join(root, 'dist', 'palyra.inputs');
const binary = join(root, 'dist', process.platform === 'win32' ? 'palyra.exe' : 'palyra');
const INPUTS = ['src', 'commands', 'proto', 'installers', 'scripts'];

/** SHA-256 of everything that the binary is made from. */
export function inputsDigest(): string {
  const digest = createHash('sha256');
  const files = INPUTS.flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !path.includes('generated'));
  for (const path of [...files.sort(), 'package.json', 'package-lock.json']) {
    const bytes = readFileSync(join(root, path));
    digest.update(`${path}\0${bytes.length}\0`).update(bytes);
  }
  return digest.digest('hex');
}

export const isBuilt = (): boolean =>
  existsSync(binary) && existsSync(stamp) && readFileSync(stamp, 'utf8') === inputsDigest();

/** Keeps what the binary was made from: the digest of before its making, since sources may change meanwhile. */
export const keepStamp = (digest: string): void => writeFileSync(stamp, digest);
