import { PalyraError, systemCode } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';

/** A path for messages: bytes that are no UTF-8 show as replacement characters. */
export const showPath = (path: Buffer | string): string => JSON.stringify(path.toString());

/**
 * The components of an absolute POSIX path, as bytes: names need not be UTF-8. One slash at the end is let pass.
 * Refuses what a path check could read in another way than the kernel: `..`, `.`, empty components, NUL.
 */
export function posixComponents(path: Buffer): Buffer[] {
  if (path.length === 0 || path.length > LIMITS.pathLength) {
    throw new PalyraError('invalid_argument', `a path has 1 to ${LIMITS.pathLength} bytes, not ${path.length}`);
  }
  if (path[0] !== SLASH) {
    throw new PalyraError('invalid_argument', `${showPath(path)} is not an absolute path`, {
      hint: 'write it from / on',
    });
  }
  if (path.includes(0)) throw refused(path, 'has a NUL byte in it');
  const components = splitPath(path);
  for (const component of components) {
    const name = component.toString('latin1');
    if (name === '..') throw refused(path, 'has .. in it');
    if (name === '.' || name === '') throw refused(path, `has ${name === '' ? '//' : '/./'} in it`);
  }
  return components;
}

const SLASH = 0x2f;

/** Components of a path that is known to be absolute; a slash at the end makes none. */
export function splitPath(path: Buffer): Buffer[] {
  const components: Buffer[] = [];
  let from = 1;
  while (from < path.length) {
    const slash = path.indexOf(SLASH, from);
    const to = slash === -1 ? path.length : slash;
    components.push(path.subarray(from, to));
    from = to + 1;
  }
  return components;
}

/** `/a/b` of its components. */
export function joinPath(components: readonly Buffer[]): Buffer {
  if (components.length === 0) return Buffer.from('/');
  return Buffer.concat(components.flatMap((component) => [Buffer.from('/'), component]));
}

const refused = (path: Buffer, why: string): PalyraError =>
  new PalyraError('path_refused', `${showPath(path)} ${why}`, { hint: 'write the path without it' });

/** A failure of the file system about a path on the node. */
export function pathFailure(error: unknown, path: Buffer | string): Error {
  const shown = showPath(path);
  switch (systemCode(error)) {
    case 'ENOENT':
    case 'ENAMETOOLONG':
      return new PalyraError('path_not_found', `${shown} does not exist`, { cause: error });
    case 'ENOTDIR':
      return new PalyraError('not_a_directory', `${shown} leads through something that is not a folder`, {
        cause: error,
      });
    case 'ELOOP':
      return new PalyraError('path_refused', `${shown} leads through a symbolic link`, { cause: error });
    case 'EACCES':
    case 'EPERM':
      return new PalyraError('no_permission', `the system refuses the node access to ${shown}`, {
        hint: 'the node runs as an own user: give that user the right, or choose another path',
        cause: error,
      });
    case 'EROFS':
      return new PalyraError('no_permission', `${shown} is on a file system that cannot be written to`, {
        cause: error,
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new PalyraError('disk_full', `no space left to write ${shown}`, {
        hint: 'free some space on the node and try again; what was there before is still whole',
        cause: error,
      });
    case 'EFBIG':
      return new PalyraError('payload_too_large', `${shown} would be larger than the file system or the node allows`, {
        cause: error,
      });
    case 'EMFILE':
    case 'ENFILE':
      return new PalyraError('node_busy', `the node has no file descriptor left for ${shown}`, { cause: error });
    case undefined:
    default:
      return error instanceof Error ? error : new Error(String(error));
  }
}
