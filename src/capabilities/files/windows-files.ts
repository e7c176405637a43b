import { isUtf8 } from 'node:buffer';
import { PalyraError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import type { FileAccess } from './confined-file.ts';
import { READ_FLAGS } from './descriptor.ts';
import { pathFiles } from './path-files.ts';
import { showPath } from './path-text.ts';

const DEVICE_NAMES = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?$/i;
const SHORT_NAME = /~\d/;

/** Confinement on Windows: only plain `C:\…` paths, resolved and compared by file id (security.md 7.1). */
export const windowsFiles = (protectedPaths: readonly string[]): FileAccess =>
  pathFiles({ protectedPaths, check: windowsPath, components: windowsComponents, flags: READ_FLAGS });

export const windowsComponents = (path: string): string[] =>
  path
    .slice(3)
    .split(/[\\/]/)
    .filter((name) => name !== '');

/** The path as text. Throws for every form that Windows reads in more than one way. */
export function windowsPath(path: Buffer): string {
  const text = path.toString();
  if (path.length > LIMITS.pathLength || !isUtf8(path)) {
    throw new PalyraError('invalid_argument', `a path has at most ${LIMITS.pathLength} bytes of UTF-8`);
  }
  if (!/^[A-Za-z]:[\\/]/.test(text)) {
    throw new PalyraError('path_refused', `${showPath(text)} does not begin with a drive`, {
      hint: 'write it as C:\\folder\\file; network and device paths are not opened',
    });
  }
  const names = text.slice(3).split(/[\\/]/);
  if (names.at(-1) === '') names.pop();
  for (const name of names) {
    const fault = nameFault(name);
    if (fault !== undefined) throw new PalyraError('path_refused', `${showPath(text)} has ${fault} in it`);
  }
  return text;
}

function nameFault(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'an empty name, . or ..';
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\u0000-\u001f<>"|?*]/.test(name)) return 'a character that no name has';
  if (name.includes(':')) return 'a stream of a file';
  if (/[ .]$/.test(name)) return 'a name that ends in a dot or space';
  if (DEVICE_NAMES.test(name)) return 'the name of a device';
  if (SHORT_NAME.test(name)) return 'a short name';
  return undefined;
}
